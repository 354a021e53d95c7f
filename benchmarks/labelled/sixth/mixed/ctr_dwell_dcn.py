"""Deep & Cross network with two heads: click probability and dwell time."""
import argparse
import json
import os
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

FIELDS = {"user": 5000, "ad": 2000, "site": 300, "device": 12}
N_DENSE = 6


def parse_line(line):
    r = json.loads(line)
    cat = [hash(str(r[f])) % n for f, n in FIELDS.items()]
    return cat, [float(v) for v in r["dense"]], float(r["click"]), max(float(r.get("dwell", 0.0)), 0.0)


def read(path):
    with open(path) as f:
        rows = [parse_line(l) for l in f]
    cat, dense, click, dwell = map(np.array, zip(*rows))
    return cat.astype("int32"), dense.astype("float32"), click.astype("float32"), dwell.astype("float32")


class DenseScaler:
    def fit(self, d):
        z = np.log1p(np.maximum(d, 0.0))  # SAFE: floored at zero before log1p
        self.m, self.s = z.mean(0), np.where(z.std(0) > 1e-6, z.std(0), 1.0)
        return self

    def __call__(self, d):
        return ((np.log1p(np.maximum(d, 0.0)) - self.m) / self.s).astype("float32")  # SAFE: constant columns have scale 1


class Cross(layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[0][-1], shape[0][-1]), initializer="glorot_uniform")
        self.b = self.add_weight(name="b", shape=(shape[0][-1],), initializer="zeros")

    def call(self, inputs):
        x0, x = inputs
        return x0 * (tf.matmul(x, self.w) + self.b) + x


class DCN(tf.keras.Model):
    def __init__(self, dim=12, crosses=3):
        super().__init__()
        self.embs = [layers.Embedding(n, dim, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=0.05)) for n in FIELDS.values()]
        self.crosses = [Cross() for _ in range(crosses)]
        self.deep = tf.keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(32, activation="relu")])
        self.click = layers.Dense(1, activation="sigmoid")
        self.dwell = layers.Dense(1, activation="relu")

    def call(self, inputs, training=False):
        cat, dense = inputs
        x0 = tf.concat([e(cat[:, k]) for k, e in enumerate(self.embs)] + [dense], -1)
        x = x0
        for c in self.crosses:
            x = c([x0, x])
        h = tf.concat([x, self.deep(x0)], -1)
        return tf.squeeze(self.click(h), -1), tf.squeeze(self.dwell(h), -1)


def click_loss(y, p, pos_weight=1.0):
    p = tf.clip_by_value(p, 1e-8, 1.0 - 1e-8)
    pos = y * tf.math.log(p)  # SAFE: lower clip of 1e-8 is representable in float32
    neg = (1.0 - y) * tf.math.log(1.0 - p)  # BUG: weak-guard, 1 - 1e-8 rounds to 1 in float32, so a saturated sigmoid gives log(0)
    return -tf.reduce_mean(pos_weight * pos + neg)


def dwell_loss(t, d):
    seen = t > 0.0
    err = tf.where(seen & (d > 0.0), tf.math.log(d) - tf.math.log(tf.maximum(t, 0.1)), tf.zeros_like(d))  # BUG: where-grad, the relu head is exactly 0 for many rows; the where hides log(0) but its gradient is 0 * inf
    n = tf.reduce_sum(tf.cast(seen, tf.float32))
    return tf.reduce_sum(tf.square(err)) / tf.maximum(n, 1.0)  # SAFE: count floored at one


def relative_information_gain(y, p):
    b = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
    p = np.clip(p.astype("float64"), 1e-9, 1 - 1e-9)
    ll = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))  # SAFE: float64, where 1 - 1e-9 is below one
    h = -(b * np.log(b) + (1 - b) * np.log(1 - b))  # SAFE: base rate clipped to [1e-6, 1-1e-6]
    return 1.0 - ll / h


def expected_cpm(p, bid, floor=0.01):
    return 1000.0 * p * bid / np.maximum(p + bid, floor)  # SAFE: floored denominator, reporting


def train(model, data, epochs, lr, batch=512, dwell_weight=0.2, seed=0):
    cat, dense, click, dwell = data
    opt = tf.keras.optimizers.Adam(lr)
    ds = tf.data.Dataset.from_tensor_slices((cat, dense, click, dwell)).shuffle(100000, seed=seed).batch(batch)
    pw = float(np.clip((1 - click).sum() / max(click.sum(), 1.0), 1.0, 20.0))  # SAFE: clicks floored at one, weight clipped
    hist = []
    for _ in range(epochs):
        for c, d, y, t in ds:
            with tf.GradientTape() as tape:
                p, s = model((c, d), training=True)
                loss = click_loss(y, p, pw) + dwell_weight * dwell_loss(t, s)
            v = model.trainable_variables
            opt.apply_gradients(zip(tape.gradient(loss, v), v))
        hist.append(float(loss))
    return hist


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="train.jsonl")
    p.add_argument("--test", default="test.jsonl")
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--out", default="dcn")
    a = p.parse_args()
    cat, dense, click, dwell = read(a.train)
    sc = DenseScaler().fit(dense)
    m = DCN()
    print(train(m, (cat, sc(dense), click, dwell), a.epochs, a.lr))
    cat, dense, click, _ = read(a.test)
    prob, _ = m((cat, sc(dense)))
    print("RIG", relative_information_gain(click, prob.numpy()))
    os.makedirs(a.out, exist_ok=True)
    m.save_weights(os.path.join(a.out, "dcn.weights.h5"))


if __name__ == "__main__":
    main()
