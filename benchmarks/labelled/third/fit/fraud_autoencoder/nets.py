import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class GaussianHead(layers.Layer):
    """Mean and positive scale per feature."""

    def __init__(self, dim, min_scale=0.05, **kw):
        super().__init__(**kw)
        self.mean = layers.Dense(dim)
        self.raw = layers.Dense(dim)
        self.min_scale = min_scale

    def call(self, h):
        return self.mean(h), self.min_scale + tf.nn.softplus(self.raw(h))  # SAFE: stable softplus plus a positive constant


def gaussian_nll(x, mean, scale):
    z = (x - mean) / scale  # SAFE: scale is at least min_scale = 0.05 from GaussianHead
    return tf.reduce_sum(0.5 * tf.square(z) + tf.math.log(scale), axis=-1)  # SAFE: log of a number that is at least 0.05


class ProbAutoencoder(keras.Model):
    def __init__(self, dim, code=6, width=32, noise=0.1):
        super().__init__()
        self.enc = keras.Sequential([layers.GaussianNoise(noise), layers.Dense(width, activation="elu"),  # SAFE: elu is bounded from below and its exp sees only negative numbers
                                     layers.Dense(code, activation="tanh")])
        self.dec = keras.Sequential([layers.Dense(width, activation="elu")])
        self.head = GaussianHead(dim)

    def call(self, x, training=False):
        return self.head(self.dec(self.enc(x, training=training), training=training))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        mean, scale = y_pred
        return tf.reduce_mean(gaussian_nll(x, mean, scale))

    def score(self, x):
        mean, scale = self(x)
        return gaussian_nll(x, mean, scale)


class ScoreCalibrator:
    """Maps anomaly scores to probabilities with Platt scaling on held out data."""

    def fit(self, s, y, steps=300, lr=0.05):
        self.m, self.d = float(s.mean()), max(float(s.std()), 1e-6)
        s = tf.constant((s - self.m) / self.d, tf.float32)  # SAFE: deviation floored at 1e-6
        y = tf.constant(y, tf.float32)
        n_pos, n_neg = tf.reduce_sum(y), tf.reduce_sum(1.0 - y)
        t = tf.where(y > 0.5, (n_pos + 1.0) / (n_pos + 2.0), 1.0 / (n_neg + 2.0))  # SAFE: counts are not negative, denominators at least 2
        self.a, self.b = tf.Variable(1.0), tf.Variable(0.0)
        opt = keras.optimizers.Adam(lr)  # SAFE: two parameters on standardised scores
        for _ in range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=self.a * s + self.b))  # SAFE: fused op on raw logits
            opt.apply_gradients(zip(tape.gradient(loss, [self.a, self.b]), [self.a, self.b]))
        return self

    def __call__(self, s):
        return tf.sigmoid(self.a * (s - self.m) / self.d + self.b).numpy()  # SAFE: deviation floored at 1e-6 in fit
