"""Unsupervised surface inspection: convolutional autoencoder, SSIM loss, Mahalanobis score (Keras 3)."""
import argparse
import glob
import json
import os
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("inspect")
class ContrastNorm(layers.Layer):
    """Local contrast normalisation with a box filter."""

    def __init__(self, size=9, floor=0.02, **kw):
        super().__init__(**kw)
        self.size, self.floor = size, floor

    def call(self, x):
        mean = ops.average_pool(x, self.size, strides=1, padding="same")
        sq = ops.average_pool(ops.square(x), self.size, strides=1, padding="same")
        var = ops.maximum(sq - ops.square(mean), 0.0)
        return (x - mean) / ops.maximum(ops.sqrt(var), self.floor)  # SAFE: first layer of the network on data (no gradient needed through it), the divisor is floored at 0.02

    def get_config(self):
        return {**super().get_config(), "size": self.size, "floor": self.floor}


@keras.saving.register_keras_serializable("inspect")
class UnitSphere(layers.Layer):
    """Latent code on the unit sphere."""

    def call(self, z):
        return z * ops.rsqrt(ops.sum(ops.square(z), axis=-1, keepdims=True) + 1e-6)  # SAFE: squared norm plus 1e-6

    def compute_output_shape(self, s):
        return s


def gaussian_kernel(size=7, sigma=1.5):
    t = np.arange(size) - size // 2
    g = np.exp(-t ** 2 / (2 * sigma ** 2))  # SAFE: negative exponent, sigma is 1.5
    k = np.outer(g, g)
    return (k / k.sum()).astype(np.float32)[..., None, None]  # SAFE: sum of positive constants


KERNEL = tf.constant(gaussian_kernel())


def blur(x):
    return tf.nn.conv2d(x, KERNEL, 1, "VALID")


def ssim_parts(a, b, c1=0.01 ** 2, c2=0.03 ** 2):
    ma, mb = blur(a), blur(b)
    va = tf.nn.relu(blur(tf.square(a)) - tf.square(ma))
    vb = tf.nn.relu(blur(tf.square(b)) - tf.square(mb))
    cov = blur(a * b) - ma * mb
    lum = (2.0 * ma * mb + c1) / (tf.square(ma) + tf.square(mb) + c1)  # SAFE: squares plus c1 = 1e-4
    cs = (2.0 * cov + c2) / (va + vb + c2)  # SAFE: variances cut at 0 plus c2 = 9e-4
    return lum, cs


def ms_ssim(a, b, weights=(0.3, 0.3, 0.4)):
    out = 1.0
    for i, w in enumerate(weights):
        lum, cs = ssim_parts(a, b)
        m = tf.reduce_mean(lum * cs if i == len(weights) - 1 else cs, [1, 2, 3])
        out *= tf.pow(tf.maximum(m, 1e-4), w)  # SAFE: base floored at 1e-4, so the fractional power has a finite slope
        a, b = tf.nn.avg_pool2d(a, 2, 2, "VALID"), tf.nn.avg_pool2d(b, 2, 2, "VALID")
    return out


def build(size, latent=32):
    x = inp = keras.Input((size, size, 1))
    x = ContrastNorm()(x)
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
    s = size // 8
    z = UnitSphere(name="code")(layers.Dense(latent)(layers.Flatten()(x)))
    x = layers.Reshape((s, s, 64))(layers.Dense(s * s * 64, activation="relu")(z))
    for f in (32, 16, 16):
        x = layers.UpSampling2D(2)(x)
        x = layers.Conv2D(f, 3, padding="same", activation="relu")(x)
    out = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inp, out)


def uniformity(z, t=2.0):
    """Hypersphere uniformity of Wang and Isola."""
    d2 = tf.maximum(2.0 - 2.0 * tf.matmul(z, z, transpose_b=True), 0.0)
    n = tf.cast(tf.shape(z)[0], tf.float32)
    off = tf.exp(-t * d2) * (1.0 - tf.eye(tf.shape(z)[0]))  # SAFE: exponent is never positive
    return tf.math.log(tf.reduce_sum(off) / tf.maximum(n * (n - 1.0), 1.0) + 1e-6)  # SAFE: mean of positive numbers plus 1e-6, pair count floored at 1


class Inspector(keras.Model):
    def __init__(self, net, w_ssim=0.8, w_uniform=0.01):
        super().__init__()
        self.net = net
        self.coder = keras.Model(net.input, net.get_layer("code").output)
        self.w_ssim, self.w_uniform = w_ssim, w_uniform
        self.m = {k: keras.metrics.Mean(name=k) for k in ("loss", "ssim")}

    @property
    def metrics(self):
        return list(self.m.values())

    def call(self, x, training=False):
        return self.net(x, training=training)

    def objective(self, x, y, z):
        bce = keras.losses.binary_crossentropy(x, y)  # SAFE: sigmoid output with from_logits False, keras clips the probabilities
        s = ms_ssim(x, y)
        return tf.reduce_mean(bce) + self.w_ssim * tf.reduce_mean(1.0 - s) + self.w_uniform * uniformity(z), s

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss, s = self.objective(x, self(x, training=True), self.coder(x, training=True))
        v = self.net.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.m["loss"].update_state(loss)
        self.m["ssim"].update_state(s)
        return {k: m.result() for k, m in self.m.items()}


class Mahalanobis:
    def __init__(self, z, shrink=0.05):
        self.mean = z.mean(0)
        cov = np.cov(z - self.mean, rowvar=False)
        d = cov.shape[0]
        cov = (1 - shrink) * cov + shrink * max(np.trace(cov) / d, 1e-6) * np.eye(d)  # SAFE: d is the latent size
        self.chol = np.linalg.cholesky(cov)  # SAFE: shrinkage keeps the matrix positive definite, at least 5e-8 on the diagonal

    def __call__(self, z):
        y = np.linalg.solve(self.chol, (z - self.mean).T)
        return np.sqrt(np.sum(y ** 2, 0))  # SAFE: numpy, sum of squares


def robust_z(score, ref):
    med = np.median(ref)
    mad = np.median(np.abs(ref - med))
    return (score - med) / max(1.4826 * mad, 1e-6)  # SAFE: floored at 1e-6


def auroc(score, label):
    order = np.argsort(score)
    rank = np.empty(len(score))
    rank[order] = np.arange(1, len(score) + 1)
    p, n = label.sum(), (~label).sum()
    if p == 0 or n == 0:
        return None
    return (rank[label].sum() - p * (p + 1) / 2) / (p * n)  # SAFE: empty classes return above


def read_folder(folder, size):
    out = []
    for f in sorted(glob.glob(os.path.join(folder, "*.png"))):
        img = tf.io.decode_png(tf.io.read_file(f), channels=1)
        out.append(tf.image.resize(img, [size, size]).numpy() / 255.0)  # SAFE: constant
    return np.asarray(out, np.float32)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--size", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--batch", type=int, default=32)
    a = ap.parse_args()
    good = read_folder(os.path.join(a.root, "train", "good"), a.size)
    test = read_folder(os.path.join(a.root, "test", "good"), a.size)
    bad = read_folder(os.path.join(a.root, "test", "defect"), a.size)
    model = Inspector(build(a.size))
    model.compile(optimizer=keras.optimizers.Adam(2e-4, clipnorm=1.0))
    t0 = time.time()
    ds = tf.data.Dataset.from_tensor_slices(good).shuffle(1000).batch(a.batch)
    model.fit(ds, epochs=a.epochs, callbacks=[keras.callbacks.TerminateOnNaN()])
    ref = Mahalanobis(model.coder.predict(good))
    x = np.concatenate([test, bad])
    z = robust_z(ref(model.coder.predict(x)), ref(model.coder.predict(good)))
    label = np.arange(len(x)) >= len(test)
    with open("inspection.json", "w") as fh:
        json.dump({"auroc": auroc(z, label), "seconds": time.time() - t0}, fh)
    model.net.save("inspector.keras")


if __name__ == "__main__":
    main()
