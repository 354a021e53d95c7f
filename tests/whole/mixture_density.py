import tensorflow as tf
class BatchNorm:
    def __init__(self, eps=1e-5): self.eps = eps
    def __call__(self, x):
        m, v = tf.nn.moments(x, [0])
        return (x - m) / tf.sqrt(v + self.eps) # SAFE
class MDN(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.mu = tf.keras.layers.Dense(5); self.s = tf.keras.layers.Dense(5); self.pi = tf.keras.layers.Dense(5, activation="softmax")
    def call(self, x):
        return self.pi(x), self.mu(x), tf.exp(self.s(x)) # SAFE
def gaussian(y, mu, sigma):
    return tf.exp(-tf.square((y - mu) / sigma) / 2) / sigma
def nll(y, pi, mu, sigma):
    return -tf.math.log(tf.reduce_sum(pi * gaussian(y, mu, sigma), axis=1)) # BUG
def nll_ok(y, pi, mu, sigma):
    return -tf.math.log(tf.reduce_sum(pi * gaussian(y, mu, sigma), axis=1) + 1e-8) # SAFE
net = MDN(); opt = tf.keras.optimizers.Adam(1e-3)
def step(x, y):
    with tf.GradientTape() as tape:
        pi, mu, sigma = net(x)
        loss = tf.reduce_mean(nll(y, pi, mu, sigma)) + tf.reduce_mean(nll_ok(y, pi, mu, sigma))
    g = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(g, net.trainable_variables))
step(tf.ones([3, 2]), tf.ones([3, 1]))
a = tf.keras.layers.Dense(4)(tf.ones([2, 2]))
b = tf.math.log(tf.nn.relu(a)) # BUG
c = tf.math.log(tf.square(a)) # BUG
d = tf.math.log(tf.abs(a) + 1e-3) # SAFE
e = tf.math.log(tf.math.softplus(a) + 1e-6) # SAFE
f = tf.math.log(a) # BUG
g = tf.sqrt(tf.maximum(a, 0.0)) # SAFE
opt2 = opt.minimize(lambda: tf.reduce_mean(b) + tf.reduce_mean(c) + tf.reduce_mean(f), [])
