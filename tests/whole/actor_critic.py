import tensorflow as tf
# actor-critic continuous: normal params
s = tf.placeholder(tf.float32, [None, 3])
a = tf.placeholder(tf.float32, [None, 1])
adv = tf.placeholder(tf.float32, [None, 1])
l1 = tf.layers.dense(s, 100, tf.nn.relu)
mu = 2 * tf.layers.dense(l1, 1, tf.nn.tanh)
sigma = tf.layers.dense(l1, 1, tf.nn.softplus)
dist = tf.distributions.Normal(loc=mu, scale=sigma)
ratio = tf.exp(dist.log_prob(a)) # SAFE
prob = 1. / (sigma * 2.5066)
log_prob = tf.log(prob)
loss = -tf.reduce_mean(log_prob * adv)
tf.train.AdamOptimizer(1e-3).minimize(loss)
