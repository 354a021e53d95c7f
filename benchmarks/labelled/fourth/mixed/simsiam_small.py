"""Self-supervised pretraining (SimSiam + whitening term) followed by a kNN check."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def load(path):
    d = np.load(path)
    return d["x"].astype(np.float32) / 255.0, d["y"].astype(np.int32)


def jitter(x, strength=0.4):
    b = tf.shape(x)[0]
    gain = 1.0 + strength * tf.random.uniform([b, 1, 1, 1], -1.0, 1.0)
    m = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    x = tf.clip_by_value((x - m) * gain + m, 0.0, 1.0)
    gamma = tf.random.uniform([b, 1, 1, 1], 0.7, 1.4)
    return tf.pow(x, gamma)  # SAFE: base clipped to 0..1, gamma positive, no gradient to the pictures


def view(x):
    x = tf.image.random_flip_left_right(x)
    x = jitter(x)
    s = tf.shape(x)
    return tf.image.random_crop(tf.pad(x, [[0, 0], [4, 4], [4, 4], [0, 0]], "REFLECT"), s)


class Standardise(layers.Layer):
    def call(self, x):
        m = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
        v = tf.math.reduce_variance(x, [1, 2, 3], keepdims=True)
        return (x - m) / tf.sqrt(v + 1e-4)  # SAFE: variance plus 1e-4


def backbone(dim):
    return keras.Sequential([
        Standardise(),
        layers.Conv2D(32, 3, 2, "same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.Conv2D(64, 3, 2, "same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(dim),
    ])


def cosine(p, z):
    p = tf.math.l2_normalize(p, -1)  # SAFE: built-in epsilon
    z = tf.math.l2_normalize(tf.stop_gradient(z), -1)
    return -tf.reduce_mean(tf.reduce_sum(p * z, -1))


def spread_loss(z):
    std = tf.sqrt(tf.math.reduce_variance(z, 0) + 1e-4)  # SAFE: 1e-4 under the root, collapsed features have a finite slope
    return tf.reduce_mean(tf.nn.relu(1.0 - std))


def decorrelation(z):
    n = tf.cast(tf.shape(z)[0], z.dtype)
    c = z - tf.reduce_mean(z, 0)
    cov = tf.matmul(c, c, transpose_a=True) / (n - 1.0)  # SAFE: drop_remainder and the parser's minimum give at least 2 rows
    off = cov - tf.linalg.diag(tf.linalg.diag_part(cov))
    return tf.reduce_sum(tf.square(off)) / float(z.shape[-1])  # SAFE: feature size is a positive constant


class SimSiam(keras.Model):
    def __init__(self, dim=64):
        super().__init__()
        self.enc = backbone(dim)
        self.pred = keras.Sequential([layers.Dense(dim // 4), layers.BatchNormalization(), layers.ReLU(), layers.Dense(dim)])
        self.track = keras.metrics.Mean("loss")

    def call(self, x, training=False):
        return self.pred(self.enc(x, training=training), training=training)

    def train_step(self, x):
        a, b = view(x), view(x)
        with tf.GradientTape() as tape:
            za, zb = self.enc(a, training=True), self.enc(b, training=True)
            pa, pb = self.pred(za, training=True), self.pred(zb, training=True)
            loss = 0.5 * (cosine(pa, zb) + cosine(pb, za))
            for z in (za, zb):
                loss += 0.5 * spread_loss(z) + 0.01 * decorrelation(z)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables))
        self.track.update_state(loss)
        return {"loss": self.track.result()}

    @property
    def metrics(self):
        return [self.track]


def knn(train_z, train_y, z, y, k=20, t=0.1):
    def unit(v):
        return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-8)  # SAFE: floored norm in numpy
    s = unit(z) @ unit(train_z).T
    idx = np.argsort(-s, 1)[:, :k]
    w = np.exp(np.take_along_axis(s, idx, 1) / t)  # SAFE: cosine is at most 1, exponent at most 10
    votes = np.zeros((len(z), train_y.max() + 1))
    for j in range(idx.shape[1]):
        votes[np.arange(len(z)), train_y[idx[:, j]]] += w[:, j]
    return float((votes.argmax(1) == y).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="stl_small.npz")
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=100)
    a = ap.parse_args()
    if a.batch < 16:
        ap.error("batch too small for batch statistics")
    x, y = load(a.data)
    cut = int(0.9 * len(x))
    ds = tf.data.Dataset.from_tensor_slices(x[:cut]).shuffle(10000).batch(a.batch, drop_remainder=True)
    model = SimSiam()
    sched = keras.optimizers.schedules.CosineDecay(0.05 * a.batch / 256.0, a.epochs * max(1, cut // a.batch))  # SAFE: floored at one step
    model.compile(optimizer=keras.optimizers.SGD(sched, momentum=0.9, weight_decay=1e-4, clipnorm=5.0))
    for _ in range(a.epochs // 10):
        model.fit(ds, epochs=10, verbose=2)
        f = model.enc.predict(x, verbose=0)
        print("knn", knn(f[:cut], y[:cut], f[cut:], y[cut:]))
    model.save_weights("simsiam.weights.h5")


if __name__ == "__main__":
    main()
