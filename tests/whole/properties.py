import tensorflow as tf
def dense(x, size, scope):
    with tf.variable_scope(scope):
        w = tf.get_variable("w", [x.get_shape()[1], size])
        b = tf.get_variable("b", [size], initializer=tf.constant_initializer(0.0))
        return tf.matmul(x, w) + b
def lrelu(x, leak=0.2):
    return tf.maximum(x, leak * x)
class Model:
    def __init__(self, config):
        self.config = config
        self.x = tf.placeholder(tf.float32, [None, 20])
        self.y = tf.placeholder(tf.float32, [None, 1])
    @property
    def prediction(self):
        h = self.x
        for i, n in enumerate([64, 32]):
            h = lrelu(dense(h, n, "l%d" % i))
        return tf.sigmoid(dense(h, 1, "out"))
    @property
    def cost(self):
        p = self.prediction
        return tf.reduce_mean(tf.square(self.y - p)) # BUG
    def poisson(self):
        rate = dense(self.x, 1, "rate")
        return tf.reduce_mean(rate - self.y * tf.log(rate)) # BUG
    def std(self):
        m, v = tf.nn.moments(self.x, axes=[0])
        return (self.x - m) / tf.sqrt(v) # BUG
    def train(self):
        return tf.train.RMSPropOptimizer(1e-3).minimize(self.cost)
m = Model(None)
m.train()
