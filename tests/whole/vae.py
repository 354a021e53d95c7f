import tensorflow as tf
# VAE
n_z = 20
x = tf.placeholder(tf.float32, shape=[None, 784])
def enc(x):
    h = tf.layers.dense(x, 500, tf.nn.elu)
    mu = tf.layers.dense(h, n_z)
    log_sigma_sq = tf.layers.dense(h, n_z)
    return mu, log_sigma_sq
mu, log_sigma_sq = enc(x)
eps = tf.random_normal(tf.shape(mu))
z = mu + tf.sqrt(tf.exp(log_sigma_sq)) * eps # BUG
h2 = tf.layers.dense(z, 500, tf.nn.elu)
out = tf.layers.dense(h2, 784, tf.nn.sigmoid)
rec = -tf.reduce_sum(x * tf.log(1e-10 + out) + (1 - x) * tf.log(1e-10 + 1 - out), 1) # BUG
kl = -0.5 * tf.reduce_sum(1 + log_sigma_sq - tf.square(mu) - tf.exp(log_sigma_sq), 1) # SAFE
cost = tf.reduce_mean(rec + kl)
opt = tf.train.AdamOptimizer(0.001).minimize(cost)
