import keras
import tensorflow as tf

import config as C


@keras.saving.register_keras_serializable("melvq")
class EmaQuantizer(keras.layers.Layer):
    """Vector quantizer with exponential moving average codebook and dead code restart."""

    def __init__(self, n=C.CODEBOOK, dim=C.DIM, decay=C.EMA_DECAY, eps=C.EMA_EPS, **kw):
        super().__init__(dtype="float32", **kw)
        self.n, self.dim, self.decay, self.eps = n, dim, decay, eps

    def build(self, shape):
        init = keras.initializers.RandomUniform(-1.0 / self.n, 1.0 / self.n)  # SAFE: n is the codebook size, 128
        self.codes = self.add_weight(shape=(self.n, self.dim), initializer=init, trainable=False, name="codes")
        self.count = self.add_weight(shape=(self.n,), initializer="ones", trainable=False, name="count")
        self.sum = self.add_weight(shape=(self.n, self.dim), initializer=init, trainable=False, name="sum")

    def distances(self, flat):
        return (tf.reduce_sum(tf.square(flat), 1, keepdims=True)
                - 2.0 * tf.matmul(flat, self.codes, transpose_b=True)
                + tf.reduce_sum(tf.square(self.codes), 1)[None])

    def perplexity(self, onehot):
        p = tf.reduce_mean(onehot, 0)
        return tf.exp(-tf.reduce_sum(p * tf.math.log(p + 1e-10)))  # SAFE: float32, unused codes give 0 * log(1e-10); entropy is at most log(n)

    def diversity(self, d):
        """Entropy of the mean soft assignment, differentiable."""
        q = tf.reduce_mean(tf.nn.softmax(-d / C.TEMPERATURE, axis=-1), 0)  # SAFE: TEMPERATURE is 0.5
        return tf.math.log(float(self.n)) + tf.reduce_sum(tf.math.xlogy(q, tf.maximum(q, 1e-12)))  # SAFE: xlogy with a floored second argument

    def update(self, flat, onehot):
        n = tf.reduce_sum(onehot, 0)
        self.count.assign(self.decay * self.count + (1.0 - self.decay) * n)
        self.sum.assign(self.decay * self.sum + (1.0 - self.decay) * tf.matmul(onehot, flat, transpose_a=True))
        total = tf.reduce_sum(self.count)
        smooth = (self.count + self.eps) / (total + self.n * self.eps) * total  # SAFE: counts are >= 0, eps 1e-5 is added
        new = self.sum / smooth[:, None]  # SAFE: Laplace smoothing keeps every entry above eps
        dead = tf.cast(self.count < 0.01, tf.float32)[:, None]
        pick = tf.gather(flat, tf.random.uniform([self.n], 0, tf.shape(flat)[0], tf.int32))
        self.codes.assign((1.0 - dead) * new + dead * pick)

    def call(self, z, training=False):
        flat = tf.reshape(z, [-1, self.dim])
        d = self.distances(flat)
        idx = tf.argmin(d, 1)
        onehot = tf.one_hot(idx, self.n)
        q = tf.reshape(tf.matmul(onehot, self.codes), tf.shape(z))
        if training:
            self.update(tf.stop_gradient(flat), onehot)
        self.add_loss(C.COMMITMENT * tf.reduce_mean(tf.square(tf.stop_gradient(q) - z)))
        self.add_loss(C.DIVERSITY * self.diversity(d))
        return z + tf.stop_gradient(q - z), self.perplexity(onehot)


def cosine_codes(codes):
    """Similarity matrix for the code report."""
    u = tf.math.l2_normalize(codes, axis=1)  # SAFE: squared norm floored at 1e-12
    return tf.matmul(u, u, transpose_b=True)
