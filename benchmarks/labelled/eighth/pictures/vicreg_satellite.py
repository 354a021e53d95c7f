"""VICReg pretraining on 13-band Sentinel tiles, Keras 3 ops + linear probe."""
import argparse
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops

BANDS = 13


def band_stats(files, n=200):
    acc = [np.load(f)[..., :BANDS].reshape(-1, BANDS) for f in files[:n]]
    x = np.log1p(np.concatenate(acc).astype(np.float64))  # SAFE: reflectances are unsigned integers
    sd = x.std(0)
    sd[sd < 1e-3] = 1.0
    return x.mean(0).astype("float32"), sd.astype("float32")


def tile_dataset(files, stats, batch, size):
    mu, sd = stats

    def gen():
        rng = np.random.default_rng()
        for f in rng.permutation(files):
            x = np.load(f)[..., :BANDS]
            x = (np.log1p(x.astype(np.float32)) - mu) / sd  # SAFE: unsigned input and tiny deviations replaced by one
            yield np.clip(x, -5, 5)

    def view(x):
        c = tf.image.random_crop(x, (size, size, BANDS))
        c = tf.image.random_flip_left_right(tf.image.random_flip_up_down(c))
        c = tf.image.rot90(c, tf.random.uniform([], 0, 4, tf.int32))
        keep = tf.cast(tf.random.uniform([BANDS]) > 0.15, tf.float32)
        scale = tf.exp(tf.random.normal([BANDS], stddev=0.1))  # SAFE: exponent is a small normal draw
        return c * keep * scale

    ds = tf.data.Dataset.from_generator(gen, output_signature=tf.TensorSpec([None, None, BANDS]))
    return ds.shuffle(512).map(lambda x: (view(x), view(x)), tf.data.AUTOTUNE).batch(batch, drop_remainder=True).prefetch(2)


def off_diagonal(m):
    n = ops.shape(m)[0]
    return m * (1.0 - ops.eye(n))


class VICReg(keras.Model):
    def __init__(self, backbone, expander, inv=25.0, var=25.0, cov=1.0, eps=1e-4):
        super().__init__()
        self.backbone, self.expander = backbone, expander
        self.w = (inv, var, cov)
        self.eps = eps
        self.track = [keras.metrics.Mean(name=n) for n in ("inv", "std", "cov")]

    def call(self, x, training=False):
        return self.backbone(x, training=training)

    @property
    def metrics(self):
        return self.track

    def hinge_std(self, z):
        std = ops.sqrt(ops.var(z, axis=0) + self.eps)  # SAFE: variance plus 1e-4, collapsed features stay finite
        return ops.mean(ops.relu(1.0 - std))

    def covariance(self, z):
        b, d = ops.shape(z)
        z = z - ops.mean(z, 0, keepdims=True)
        c = ops.matmul(ops.transpose(z), z) / (b - 1)  # SAFE: batch size is fixed well above one
        return ops.sum(ops.square(off_diagonal(c))) / d  # SAFE: embedding width is positive

    def train_step(self, data):
        a, b = data
        with tf.GradientTape() as tape:
            za = self.expander(self.backbone(a, training=True), training=True)
            zb = self.expander(self.backbone(b, training=True), training=True)
            inv = ops.mean(ops.square(za - zb))
            var = 0.5 * (self.hinge_std(za) + self.hinge_std(zb))
            cov = self.covariance(za) + self.covariance(zb)
            loss = self.w[0] * inv + self.w[1] * var + self.w[2] * cov
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        for m, x in zip(self.track, (inv, var, cov)):
            m.update_state(x)
        return {m.name: m.result() for m in self.track}


def make_backbone(size, width):
    inp = keras.Input((size, size, BANDS))
    x = layers.Conv2D(width, 7, 2, padding="same", use_bias=False)(inp)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for m in (1, 2, 4):
        s = layers.Conv2D(width * m, 1, 2, padding="same")(x)
        y = layers.Conv2D(width * m, 3, 2, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(width * m, 3, padding="same", use_bias=False)(y)
        x = layers.ReLU()(layers.Add()([s, layers.BatchNormalization()(y)]))
    return keras.Model(inp, layers.GlobalAveragePooling2D()(x))


def make_expander(dim_in, dim):
    return keras.Sequential([
        keras.Input((dim_in,)),
        layers.Dense(dim, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.Dense(dim, use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.Dense(dim),
    ])


class EffectiveRank(keras.callbacks.Callback):
    """exp of the entropy of the normalised singular values."""

    def __init__(self, sample):
        super().__init__()
        self.sample = sample

    def on_epoch_end(self, epoch, logs=None):
        h = self.model.backbone.predict(self.sample, verbose=0)
        s = np.linalg.svd(h - h.mean(0), compute_uv=False)
        p = s / (s.sum() + 1e-12)  # SAFE: singular values are non-negative and offset
        rank = np.exp(-np.sum(p * np.log(p + 1e-12)))  # SAFE: offset in the log, entropy bounded by the width
        print(f" - effective rank {rank:.1f}")


def linear_probe(backbone, x, y, classes):
    f = backbone.predict(x, batch_size=256, verbose=0)
    f = (f - f.mean(0)) / (f.std(0) + 1e-6)  # SAFE: dead features have zero deviation, offset added
    cut = int(0.8 * len(f))
    probe = keras.Sequential([keras.Input((f.shape[1],)), layers.Dense(classes, kernel_initializer="zeros")])  # SAFE: a single linear layer may start at zero, its gradient is the feature itself
    probe.compile(keras.optimizers.Adam(1e-2), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])  # SAFE: no activation on the probe
    probe.fit(f[:cut], y[:cut], epochs=50, batch_size=256, verbose=0)
    return probe.evaluate(f[cut:], y[cut:], verbose=0)[1]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("tiles", type=Path)
    ap.add_argument("--labelled", type=Path, help=".npz with x (already normalised) and y")
    ap.add_argument("--size", type=int, default=64)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--width", type=int, default=48)
    ap.add_argument("--dim", type=int, default=1024)
    a = ap.parse_args()
    files = sorted(str(p) for p in a.tiles.glob("*.npy"))
    stats = band_stats(files)
    bb = make_backbone(a.size, a.width)
    model = VICReg(bb, make_expander(bb.output_shape[-1], a.dim))
    steps = max(len(files) // a.batch, 1)
    lr = keras.optimizers.schedules.CosineDecay(1e-5, a.epochs * steps, warmup_target=1e-3, warmup_steps=5 * steps)
    model.compile(optimizer=keras.optimizers.AdamW(lr, weight_decay=1e-4))
    ds = tile_dataset(files, stats, a.batch, a.size)
    sample = next(iter(ds))[0]
    model.fit(ds, epochs=a.epochs, callbacks=[EffectiveRank(sample)])
    bb.save("sentinel_backbone.keras")
    if a.labelled and os.path.exists(a.labelled):
        with np.load(a.labelled) as z:
            print("probe accuracy", linear_probe(bb, z["x"], z["y"], int(z["y"].max()) + 1))


if __name__ == "__main__":
    main()
