# VQ autoencoder for side-scan sonar tiles.
# usage: python vq_sonar.py tiles.npy
import sys
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers as L

SIDE, CH, CODES, DIM = 64, 1, 256, 32
BETA = 0.25
EPOCHS = 50
BATCH = 64


def prepare(raw):
    """Slant range corrected intensities, uint16, heavy tailed."""
    x = np.log1p(raw.astype(np.float32))  # SAFE: unsigned intensities, log1p of a non-negative
    lo, hi = np.quantile(x, [0.01, 0.995])
    x = (np.clip(x, lo, hi) - lo) / max(hi - lo, 1e-3)  # SAFE: range floored
    return (2 * x - 1)[..., None]


def encoder():
    return tf.keras.Sequential([
        tf.keras.Input((SIDE, SIDE, CH)),
        L.Conv2D(32, 4, 2, "same", activation="relu"),
        L.Conv2D(64, 4, 2, "same", activation="relu"),
        L.Conv2D(64, 3, 1, "same", activation="relu"),
        L.Conv2D(DIM, 1),
    ])


def decoder():
    return tf.keras.Sequential([
        tf.keras.Input((SIDE // 4, SIDE // 4, DIM)),
        L.Conv2D(64, 3, 1, "same", activation="relu"),
        L.Conv2DTranspose(64, 4, 2, "same", activation="relu"),
        L.Conv2DTranspose(32, 4, 2, "same", activation="relu"),
        L.Conv2D(CH, 3, 1, "same"),
    ])


class Codebook(L.Layer):
    """EMA codebook (van den Oord 2017, appendix A)."""

    def __init__(self, decay=0.99, eps=1e-5, **kw):
        super().__init__(**kw)
        self.decay, self.eps = decay, eps

    def build(self, shape):
        init = tf.keras.initializers.RandomUniform(-1.0 / CODES, 1.0 / CODES)  # SAFE: constant codebook size
        self.e = self.add_weight(name="e", shape=(CODES, DIM), initializer=init, trainable=False)
        self.n = self.add_weight(name="n", shape=(CODES,), initializer="ones", trainable=False)
        self.s = self.add_weight(name="s", shape=(CODES, DIM), initializer=init, trainable=False)

    def call(self, z, training=False):
        flat = tf.reshape(z, [-1, DIM])
        d = tf.reduce_sum(flat ** 2, 1, keepdims=True) - 2 * tf.matmul(flat, self.e, transpose_b=True) + tf.reduce_sum(self.e ** 2, 1)[None]
        idx = tf.argmin(d, 1)
        one = tf.one_hot(idx, CODES)
        if training:
            self.n.assign(self.decay * self.n + (1 - self.decay) * tf.reduce_sum(one, 0))
            self.s.assign(self.decay * self.s + (1 - self.decay) * tf.matmul(one, tf.stop_gradient(flat), transpose_a=True))
            tot = tf.reduce_sum(self.n)
            n = (self.n + self.eps) / (tot + CODES * self.eps) * tot  # SAFE: total of the usage counts plus eps, always positive
            self.e.assign(self.s / n[:, None])  # SAFE: Laplace smoothed usage is positive
        q = tf.reshape(tf.gather(self.e, idx), tf.shape(z))
        p = tf.reduce_mean(one, 0)
        perp = tf.exp(-tf.reduce_sum(p * tf.math.log(p + 1e-10)))  # SAFE: offset in the log, entropy at most log(256), monitoring only
        return q, perp


class VQ(tf.keras.Model):
    def __init__(self, commit=BETA):
        super().__init__()
        self.enc, self.dec, self.book = encoder(), decoder(), Codebook()
        self.commit = commit
        self.ms = [tf.keras.metrics.Mean(name=n) for n in ("rec", "commit", "perp")]

    @property
    def metrics(self):
        return self.ms

    def call(self, x, training=False):
        z = self.enc(x)
        q, perp = self.book(z, training=training)
        return self.dec(q), tf.reduce_mean(tf.square(tf.stop_gradient(z) - q)), perp

    def train_step(self, x):
        with tf.GradientTape() as t:
            y, c, perp = self(x, training=True)
            rec = tf.reduce_mean(tf.square(y - x))
            loss = rec + self.commit * c
        g = t.gradient(loss, self.trainable_variables)  # BUG: dead-grad, no straight-through and the commitment stops the wrong side so the encoder gets no gradient
        self.optimizer.apply_gradients([(a, b) for a, b in zip(g, self.trainable_variables) if a is not None])
        for m, v in zip(self.ms, (rec, c, perp)):
            m.update_state(v)
        return {m.name: m.result() for m in self.ms}

    def test_step(self, x):
        y, c, perp = self(x)
        for m, v in zip(self.ms, (tf.reduce_mean(tf.square(y - x)), c, perp)):
            m.update_state(v)
        return {m.name: m.result() for m in self.ms}


def usage_report(model, x):
    counts = np.zeros(CODES)
    for i in range(0, len(x), 256):
        z = model.enc(x[i:i + 256])
        d = tf.norm(tf.reshape(z, [-1, 1, DIM])[:4096] - model.book.e[None], axis=-1)  # SAFE: outside any tape, norm not differentiated
        counts += np.bincount(tf.argmin(d, 1).numpy(), minlength=CODES)
    p = counts / max(counts.sum(), 1)  # SAFE: floored
    nz = p[p > 0]
    return (counts > 0).sum(), float(-(nz * np.log2(nz)).sum())  # SAFE: zero probabilities were filtered


class Report(tf.keras.callbacks.Callback):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def on_epoch_end(self, epoch, logs=None):
        if epoch % 5 == 4:
            used, bits = usage_report(self.model, self.x)
            print(f"\n  codes used {used}/{CODES}, {bits:.2f} bits, PSNR {10 * np.log10(4.0 / max(logs['val_rec'], 1e-8)):.2f}")  # SAFE: mse floored


def main(path):
    x = prepare(np.load(path))
    np.random.default_rng(0).shuffle(x)
    cut = int(0.95 * len(x))
    mk = lambda a: tf.data.Dataset.from_tensor_slices(a).batch(BATCH).prefetch(2)
    model = VQ()
    model.compile(optimizer=tf.keras.optimizers.Adam(3e-4))
    model.fit(mk(x[:cut]).shuffle(64), validation_data=mk(x[cut:]), epochs=EPOCHS, callbacks=[Report(x[cut:])], verbose=2)
    model.save_weights("vq_sonar.weights.h5")


if __name__ == "__main__":
    main(sys.argv[1])
