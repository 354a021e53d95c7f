import tensorflow as tf
from tensorflow.keras import layers

LOSSES = {
    "scce": tf.keras.losses.SparseCategoricalCrossentropy,
    "hinge": tf.keras.losses.CategoricalHinge,
}


def make_loss(name, **kw):
    return LOSSES[name](**kw)


def conv4(filters=64):
    m = tf.keras.Sequential([layers.Input((28, 28, 1))])
    for _ in range(4):
        m.add(layers.Conv2D(filters, 3, padding="same"))
        m.add(layers.BatchNormalization())
        m.add(layers.ReLU())
        m.add(layers.MaxPooling2D())
    m.add(layers.Flatten())
    return m


def sq_euclidean(a, b):
    return tf.reduce_mean(tf.square(a[:, None] - b[None]), -1)


def cosine(a, b):
    a = a * tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(a), -1, keepdims=True), 1e-6))  # SAFE: floored under the root, an all zero ReLU embedding stays 0
    b = b * tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(b), -1, keepdims=True), 1e-6))  # SAFE: floored under the root
    return tf.matmul(a, b, transpose_b=True)


class ProtoNet:
    def __init__(self, opt):
        self.o = opt
        self.net = conv4()
        self.criterion = make_loss(opt.loss)
        self.log_scale = tf.Variable(0.0)
        self.optimizer = tf.keras.optimizers.Adam(opt.lr)

    def scores(self, support, query, training):
        z = self.net(tf.concat([support, query], 0), training=training)
        n = self.o.way * self.o.shot
        proto = tf.reduce_mean(tf.reshape(z[:n], (self.o.way, self.o.shot, -1)), 1)
        if self.o.metric == "cosine":
            s = tf.exp(tf.clip_by_value(self.log_scale, -3.0, 4.6))  # SAFE: clipped exponent
            return s * cosine(z[n:], proto)
        return -sq_euclidean(z[n:], proto)

    @tf.function
    def step(self, support, query, y):
        v = self.net.trainable_variables + [self.log_scale]
        with tf.GradientTape() as tape:
            s = self.scores(support, query, True)
            loss = self.criterion(y, s)  # BUG: loss-pairing, make_loss builds the loss with from_logits=False and s are negative distances, all are clipped to 1e-7 and the gradient is 0
        g = tape.gradient(loss, v)
        self.optimizer.apply_gradients([(a, b) for a, b in zip(g, v) if a is not None])
        return loss, self.accuracy(s, y)

    @staticmethod
    def accuracy(s, y):
        return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(s, -1, output_type=tf.int32), y), tf.float32))
