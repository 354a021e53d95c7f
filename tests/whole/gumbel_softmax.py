import tensorflow as tf
# gumbel softmax sampling and VAE categorical
def sample_gumbel(shape, eps=1e-20):
    U = tf.random_uniform(shape, minval=0, maxval=1)
    return -tf.log(-tf.log(U + eps) + eps) # SAFE
def gumbel_softmax(logits, t):
    return tf.nn.softmax((logits + sample_gumbel(tf.shape(logits))) / t) # SAFE
x = tf.placeholder(tf.float32, [None, 784])
logits_y = tf.layers.dense(x, 300)
q_y = tf.nn.softmax(logits_y)
log_q_y = tf.log(q_y + 1e-20) # SAFE
log_q_bad = tf.log(q_y) # BUG
tau = tf.Variable(5.0, name="temperature", trainable=False)
y = gumbel_softmax(logits_y, tau)
kl = tf.reduce_sum(q_y * (log_q_y - tf.log(1.0 / 10)), 1) # SAFE
loss = tf.reduce_mean(kl) + tf.reduce_mean(log_q_bad)
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
