"""RealNVP density model for tabular data, trained with a plain GradientTape loop."""
import argparse
import csv
import math
import time

import numpy as np
import tensorflow as tf

LOG_2PI = math.log(2.0 * math.pi)


def read_csv(path):
    rows = []
    with open(path) as f:
        reader = csv.reader(f)
        next(reader)
        for row in reader:
            rows.append([float(v) for v in row])
    return np.asarray(rows, dtype=np.float32)


class Standardizer:
    def fit(self, x):
        self.mean = x.mean(axis=0)
        std = x.std(axis=0)
        self.scale = np.where(std < 1e-6, 1.0, std).astype(np.float32)
        return self

    def transform(self, x):
        return ((x - self.mean) / self.scale).astype(np.float32)  # SAFE: constant columns get scale 1

    @property
    def log_det(self):
        return -float(np.sum(np.log(self.scale)))  # SAFE: scale is at least 1e-6


class ActNorm(tf.keras.layers.Layer):
    """Data dependent initialisation, then a learned affine map."""

    def build(self, shape):
        d = shape[-1]
        self.log_scale = self.add_weight(name="log_scale", shape=(d,), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(d,), initializer="zeros")

    def initialize(self, x):
        mean, var = tf.nn.moments(x, axes=[0])
        self.bias.assign(-mean)
        self.log_scale.assign(-0.5 * tf.math.log(var + 1e-6))  # SAFE: variance is non negative and 1e-6 is added

    def call(self, x):
        s = tf.clip_by_value(self.log_scale, -3.0, 3.0)
        y = (x + self.bias) * tf.exp(s)  # SAFE: s clipped to [-3, 3]
        return y, tf.reduce_sum(s)


class Coupling(tf.keras.layers.Layer):
    def __init__(self, dim, hidden, flip, s_max=2.0):
        super().__init__()
        mask = np.arange(dim) % 2
        self.mask = tf.constant(1 - mask if flip else mask, tf.float32)
        self.s_max = s_max
        self.net = tf.keras.Sequential([
            tf.keras.layers.Dense(hidden, activation="relu"),
            tf.keras.layers.Dense(hidden, activation="relu"),
            tf.keras.layers.Dense(2 * dim, kernel_initializer="zeros"),
        ])

    def scale_shift(self, x):
        raw, t = tf.split(self.net(x * self.mask), 2, axis=-1)
        s = self.s_max * tf.tanh(raw / self.s_max)  # SAFE: s_max is 2
        keep = 1.0 - self.mask
        return s * keep, t * keep

    def call(self, x):
        s, t = self.scale_shift(x)
        y = x * tf.exp(s) + t  # SAFE: tanh bounds s to [-2, 2]
        return y, tf.reduce_sum(s, axis=-1)

    def inverse(self, y):
        s, t = self.scale_shift(y)
        return (y - t) * tf.exp(-s)  # SAFE: tanh bounds s to [-2, 2]


class RealNVP(tf.keras.Model):
    def __init__(self, dim, n_blocks=6, hidden=64):
        super().__init__()
        self.dim = dim
        self.norms = [ActNorm() for _ in range(n_blocks)]
        self.couplings = [Coupling(dim, hidden, i % 2 == 0) for i in range(n_blocks)]

    def data_init(self, x):
        for norm, cpl in zip(self.norms, self.couplings):
            norm(x)
            norm.initialize(x)
            x, _ = norm(x)
            x, _ = cpl(x)

    def call(self, x):
        log_det = tf.zeros(tf.shape(x)[0])
        for norm, cpl in zip(self.norms, self.couplings):
            x, ld = norm(x)
            log_det += ld
            x, ld = cpl(x)
            log_det += ld
        return x, log_det

    def log_prob(self, x):
        z, log_det = self(x)
        base = -0.5 * tf.reduce_sum(tf.square(z) + LOG_2PI, axis=-1)
        return base + log_det


def logit_transform(u, alpha=0.05):
    """Map [0, 1] columns (rates, shares) to the real line."""
    u = tf.clip_by_value(u, 0.0, 1.0)
    u = alpha + (1.0 - 2.0 * alpha) * u
    return tf.math.log(u) - tf.math.log(1.0 - u)  # SAFE: u is in [0.05, 0.95]


@tf.function
def train_step(model, opt, x):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model.log_prob(x))
    grads = tape.gradient(loss, model.trainable_variables)
    grads, norm = tf.clip_by_global_norm(grads, 5.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss, norm


def bits_per_dim(nll, dim):
    return nll / (dim * math.log(2.0))  # SAFE: dim is the number of columns, at least 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--unit-columns", type=int, nargs="*", default=[])
    p.add_argument("--epochs", type=int, default=50)
    p.add_argument("--batch-size", type=int, default=256)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--jitter", type=float, default=0.01)
    args = p.parse_args()

    x = read_csv(args.csv)
    for c in args.unit_columns:
        x[:, c] = logit_transform(x[:, c]).numpy()
    scaler = Standardizer().fit(x)
    x = scaler.transform(x)
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x)).batch(args.batch_size, drop_remainder=True)
    ds = ds.map(lambda b: b + tf.random.normal(tf.shape(b), stddev=args.jitter)).prefetch(2)

    model = RealNVP(x.shape[1])
    model.data_init(tf.constant(x[:1024]))
    opt = tf.keras.optimizers.Adam(args.lr)
    for epoch in range(args.epochs):
        start, losses = time.time(), []
        for batch in ds:
            loss, norm = train_step(model, opt, batch)
            losses.append(float(loss))
        nll = sum(losses) / max(len(losses), 1)  # SAFE: denominator at least 1
        print(f"epoch {epoch} nll {nll - scaler.log_det:.4f} "
              f"bpd {bits_per_dim(nll, model.dim):.4f} {time.time() - start:.1f}s")


if __name__ == "__main__":
    main()
