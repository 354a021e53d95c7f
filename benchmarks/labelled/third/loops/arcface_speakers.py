"""Speaker embeddings with additive angular margin, x-vector style TDNN."""
import argparse
import json
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class StatsPooling(layers.Layer):
    def call(self, x, mask=None):
        if mask is None:
            mask = tf.ones(tf.shape(x)[:2], x.dtype)
        m = tf.cast(mask, x.dtype)[..., None]
        n = tf.maximum(tf.reduce_sum(m, 1), 1.0)
        mu = tf.reduce_sum(x * m, 1) / n  # SAFE: at least one frame is counted
        var = tf.reduce_sum(tf.square(x - mu[:, None]) * m, 1) / n  # SAFE: n is at least 1
        std = tf.sqrt(tf.maximum(var, 1e-7))  # SAFE: floored at 1e-7 before the root
        return tf.concat([mu, std], -1)


def tdnn(n_feat, dim):
    x = inp = layers.Input((None, n_feat))
    for f, k, d in ((128, 5, 1), (128, 3, 2), (128, 3, 3), (256, 1, 1)):
        x = layers.Conv1D(f, k, dilation_rate=d, padding="same", activation="relu")(x)
        x = layers.BatchNormalization()(x)
    x = StatsPooling()(x)
    return tf.keras.Model(inp, layers.Dense(dim)(x))


class ArcMargin(tf.Module):
    def __init__(self, dim, n_spk, s=30.0, m=0.2):
        super().__init__()
        init = tf.keras.initializers.GlorotUniform()
        self.w = tf.Variable(init((dim, n_spk)), name="prototypes")
        self.s, self.m, self.n = s, m, n_spk

    def cosine(self, emb):
        e = tf.math.l2_normalize(emb, axis=1)  # SAFE: epsilon of l2_normalize
        w = tf.math.l2_normalize(self.w, axis=0)  # SAFE: epsilon of l2_normalize
        return tf.matmul(e, w)

    def __call__(self, emb, labels):
        cos = self.cosine(emb)
        theta = tf.acos(cos)  # BUG: domain, the product of two unit vectors rounds to 1 or above when an embedding lies on its prototype
        hot = tf.one_hot(labels, self.n)
        return self.s * tf.cos(theta + self.m * hot)


class SubcenterPrior:
    """log prior correction for unbalanced speakers"""

    def __init__(self, counts, tau=0.5):
        counts = np.asarray(counts, np.float64)
        p = (counts + 1.0) / (counts.sum() + len(counts))  # SAFE: len(counts) is positive
        self.bias = tf.constant(tau * np.log(p), tf.float32)  # SAFE: add-one smoothing keeps p positive

    def __call__(self, logits):
        return logits + self.bias


def margin_at(step, warm, m):
    return m * min(1.0, step / max(warm, 1))  # SAFE: max(.., 1)


def eer(scores, same):
    order = np.argsort(-scores)
    same = same[order].astype(np.float64)
    p, n = max(same.sum(), 1.0), max((1 - same).sum(), 1.0)
    fnr = 1.0 - np.cumsum(same) / p  # SAFE: p >= 1
    fpr = np.cumsum(1 - same) / n  # SAFE: n >= 1
    i = int(np.argmin(np.abs(fnr - fpr)))
    return 0.5 * (fnr[i] + fpr[i])


class Trainer:
    def __init__(self, n_feat, counts, dim=192):
        self.net = tdnn(n_feat, dim)
        self.head = ArcMargin(dim, len(counts))
        self.prior = SubcenterPrior(counts)
        self.opt_net = tf.keras.optimizers.Adam(1e-3)
        self.opt_head = tf.keras.optimizers.SGD(0.1, momentum=0.9)

    @tf.function(reduce_retracing=True)
    def step(self, x, y):
        nv, hv = self.net.trainable_variables, [self.head.w]
        with tf.GradientTape() as tape:
            logits = self.prior(self.head(self.net(x, training=True), y))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))  # SAFE: logits are s * cos, bounded by 30, and not a softmax
        g = tape.gradient(loss, nv + hv)
        g, norm = tf.clip_by_global_norm(g, 5.0)
        self.opt_net.apply_gradients(zip(g[:len(nv)], nv))
        self.opt_head.apply_gradients(zip(g[len(nv):], hv))
        return loss, norm


def crops(feats, ids, batch, frames, rng):
    while True:
        pick = rng.integers(0, len(feats), batch)
        out = []
        for i in pick:
            f = feats[i]
            s = rng.integers(0, max(len(f) - frames, 0) + 1)
            c = f[s:s + frames]
            out.append(np.pad(c, ((0, frames - len(c)), (0, 0)), mode="wrap"))
        x = np.stack(out).astype(np.float32)
        yield x - x.mean(1, keepdims=True), ids[pick]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--feats", default="vox_fbank.npy")
    ap.add_argument("--meta", default="vox_meta.json")
    ap.add_argument("--steps", type=int, default=60000)
    a = ap.parse_args()
    feats = np.load(a.feats, allow_pickle=True)
    ids = np.array(json.load(open(a.meta))["speaker"], np.int32)
    counts = np.bincount(ids)
    tr = Trainer(feats[0].shape[1], counts)
    m = tr.head.m
    tr.head.m = tf.Variable(0.0, trainable=False)
    for i, (x, y) in enumerate(crops(feats, ids, 64, 200, np.random.default_rng(0))):
        tr.head.m.assign(margin_at(i, 5000, m))
        loss, norm = tr.step(x, y)
        if i % 100 == 0:
            e = tf.math.l2_normalize(tr.net(x), axis=1).numpy()
            iu = np.triu_indices(len(y), 1)
            print(i, float(loss), float(norm), eer((e @ e.T)[iu], (y[:, None] == y[None])[iu]))
        if i >= a.steps or math.isnan(float(loss)):
            break


if __name__ == "__main__":
    main()
