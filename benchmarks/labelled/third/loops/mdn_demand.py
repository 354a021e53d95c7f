"""Delivery-time density model: mixture of log-normals, custom training loop.

Production job, runs nightly on the warehouse export (parquet -> npz).
"""
import argparse
import json
import logging
import math
import pathlib

import numpy as np
import tensorflow as tf

log = logging.getLogger("mdn_demand")


class MixtureHead(tf.keras.layers.Layer):
    def __init__(self, k, min_scale=1e-3, max_scale=10.0, **kw):
        super().__init__(**kw)
        self.k = k
        self.min_scale, self.max_scale = min_scale, max_scale
        self.logits = tf.keras.layers.Dense(k)
        self.loc = tf.keras.layers.Dense(k, bias_initializer=tf.keras.initializers.RandomNormal(stddev=0.5))
        self.raw_scale = tf.keras.layers.Dense(k)

    def call(self, h):
        scale = self.min_scale + tf.nn.softplus(self.raw_scale(h))
        return self.logits(h), self.loc(h), tf.minimum(scale, self.max_scale)


def mixture_log_prob(y_log, logits, loc, scale):
    """log p(log y), stable."""
    log_pi = tf.nn.log_softmax(logits, axis=-1)  # SAFE: log_softmax, not log of softmax
    z = (y_log[:, None] - loc) / scale  # SAFE: scale >= min_scale = 1e-3
    comp = -0.5 * tf.square(z) - tf.math.log(scale) - 0.5 * math.log(2 * math.pi)  # SAFE: scale is in [1e-3, 10]
    return tf.reduce_logsumexp(log_pi + comp, axis=-1)  # SAFE: logsumexp subtracts the maximum and every term is finite


def responsibilities_entropy(logits):
    p = tf.nn.softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(tf.math.xlogy(p, p), -1))  # SAFE: xlogy is 0 at p = 0 and this is not differentiated


class Standardizer:
    def fit(self, x):
        self.mean = np.nanmean(x, axis=0)
        std = np.nanstd(x, axis=0)
        self.std = np.where(std < 1e-6, 1.0, std)
        return self

    def transform(self, x):
        z = (x - self.mean) / self.std  # SAFE: constant columns get std 1 in fit
        return np.nan_to_num(np.clip(z, -8.0, 8.0)).astype(np.float32)

    def to_json(self):
        return json.dumps({"mean": self.mean.tolist(), "std": self.std.tolist()})


def prepare(path):
    blob = np.load(path)
    x, minutes = blob["features"], blob["minutes"]
    keep = np.isfinite(minutes) & (minutes > 0)
    log.info("dropping %d rows without a positive duration", int((~keep).sum()))
    y = np.log(minutes[keep])  # SAFE: only rows with minutes > 0 are kept
    return x[keep], y.astype(np.float32)


class DeliveryModel(tf.keras.Model):
    def __init__(self, k):
        super().__init__()
        self.trunk = tf.keras.Sequential([
            tf.keras.layers.Dense(128), tf.keras.layers.LayerNormalization(), tf.keras.layers.Activation("gelu"),
            tf.keras.layers.Dropout(0.1),
            tf.keras.layers.Dense(128, activation="gelu"),
        ])
        self.head = MixtureHead(k)

    def call(self, x, training=False):
        return self.head(self.trunk(x, training=training))

    def mean_minutes(self, x):
        logits, loc, scale = self(x)
        m = tf.clip_by_value(loc + 0.5 * tf.square(scale), -20.0, 20.0)
        return tf.reduce_sum(tf.nn.softmax(logits) * tf.exp(m), -1)  # SAFE: exponent clipped to [-20, 20]


def make_train_step(model, opt):
    @tf.function(jit_compile=False)
    def train_step(x, y, w):
        with tf.GradientTape() as tape:
            lp = mixture_log_prob(y, *model(x, training=True))
            nll = -tf.math.divide_no_nan(tf.reduce_sum(w * lp), tf.reduce_sum(w))  # SAFE: divide_no_nan, w is data and not a variable
        grads = tape.gradient(nll, model.trainable_variables)
        grads, gnorm = tf.clip_by_global_norm(grads, 5.0)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return nll, gnorm
    return train_step


def recency_weights(age_days, half_life=30.0):
    return np.exp(-np.log(2.0) * np.maximum(age_days, 0.0) / half_life).astype(np.float32)  # SAFE: exponent never positive, half_life is a constant


def pit_calibration(model, x, y):
    logits, loc, scale = model(x)
    cdf = 0.5 * (1 + tf.math.erf((y[:, None] - loc) / (scale * math.sqrt(2.0))))  # SAFE: scale >= 1e-3
    u = tf.reduce_sum(tf.nn.softmax(logits) * cdf, -1).numpy()
    hist, _ = np.histogram(u, bins=10, range=(0, 1))
    freq = hist / max(hist.sum(), 1)  # SAFE: max(.., 1)
    return float(np.abs(freq - 0.1).max())


def main():
    logging.basicConfig(level=logging.INFO)
    ap = argparse.ArgumentParser()
    ap.add_argument("--input", required=True)
    ap.add_argument("--out", default="artifacts")
    ap.add_argument("--components", type=int, default=5)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=512)
    args = ap.parse_args()
    x, y = prepare(args.input)
    sc = Standardizer().fit(x)
    x = sc.transform(x)
    w = recency_weights(np.arange(len(y))[::-1] / 1000.0)
    cut = int(0.9 * len(y))
    ds = tf.data.Dataset.from_tensor_slices((x[:cut], y[:cut], w[:cut])).shuffle(10000).batch(args.batch)
    model = DeliveryModel(args.components)
    opt = tf.keras.optimizers.AdamW(tf.keras.optimizers.schedules.CosineDecay(1e-3, 10000), weight_decay=1e-4)
    step_fn = make_train_step(model, opt)
    for epoch in range(args.epochs):
        for bx, by, bw in ds:
            nll, gnorm = step_fn(bx, by, bw)
        log.info("epoch %d nll %.4f |g| %.3f H %.3f pit %.3f", epoch, float(nll), float(gnorm),
                 float(responsibilities_entropy(model(x[cut:])[0])), pit_calibration(model, x[cut:], y[cut:]))
    out = pathlib.Path(args.out)
    out.mkdir(exist_ok=True, parents=True)
    (out / "scaler.json").write_text(sc.to_json())
    model.save_weights(str(out / "model.weights.h5"))


if __name__ == "__main__":
    main()
