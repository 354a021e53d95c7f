"""Neural temporal point process for event streams (orders, tweets, failures): GRU history, intensity decoder."""
import argparse
import pickle

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

PAD = 0


def gaps(times):
    """Inter-event times; ties are kept, so zero gaps occur."""
    t = np.asarray(times, np.float64)
    return np.diff(t, prepend=t[0]).astype(np.float32)


def pad_batch(seqs):
    n = max(len(s) for s in seqs)
    dt = np.zeros((len(seqs), n), np.float32)
    kind = np.zeros((len(seqs), n), np.int32)
    for i, s in enumerate(seqs):
        dt[i, :len(s)] = gaps([e["time"] for e in s])
        kind[i, :len(s)] = [e["type"] + 1 for e in s]
    return dt, kind


class TimeFeatures(layers.Layer):
    def __init__(self, scale, **kw):
        super().__init__(**kw)
        self.scale = float(max(scale, 1e-6))

    def call(self, dt):
        a = tf.math.log1p(dt / self.scale)  # SAFE: gaps of sorted times are >= 0, scale floored at 1e-6
        return tf.stack([a, tf.exp(-dt / self.scale)], -1)  # SAFE: exponent is never positive


def softplus_scaled(x, s):
    """s * log(1 + exp(x / s)) with a learned positive s, as in the neural Hawkes paper."""
    return s * tf.math.log(1.0 + tf.exp(x / s))  # BUG: exp-overflow, written out softplus: slope times a long quiet gap (or s near its floor 0.01) takes x / s past 88


class Process(keras.Model):
    def __init__(self, n_types, scale, units=32):
        super().__init__()
        self.n_types = n_types
        self.feat = TimeFeatures(scale)
        self.scale = self.feat.scale
        self.emb = layers.Embedding(n_types + 1, 16)
        self.rnn = layers.GRU(units, return_sequences=True)
        self.base = layers.Dense(n_types)
        self.slope = layers.Dense(n_types)
        self.raw_s = self.add_weight(shape=(n_types,), initializer="zeros", name="raw_s")

    def history(self, dt, kind):
        x = tf.concat([self.feat(dt), self.emb(kind)], -1)
        return self.rnn(x)

    def temperature(self):
        return 0.01 + tf.nn.softplus(self.raw_s)

    def intensity(self, h, u):
        """h [B, L, U], u [B, L] time since the last event -> [B, L, K]"""
        a = self.base(h) + self.slope(h) * (u / self.scale)[..., None]
        return softplus_scaled(a, self.temperature()) + 1e-8

    def compensator(self, h, u, samples=8):
        """Monte Carlo integral of the total intensity."""
        total = 0.0
        for k in range(samples):
            v = u * (k + tf.random.uniform(tf.shape(u))) / samples  # SAFE: samples is the constant 8
            total += tf.reduce_sum(self.intensity(h, v), -1)
        return u * total / samples  # SAFE: samples is the constant 8

    def log_likelihood(self, dt, kind):
        h = self.history(dt, kind)[:, :-1]
        u, k = dt[:, 1:], kind[:, 1:]
        mask = tf.cast(k != PAD, tf.float32)
        lam = self.intensity(h, u)
        hit = tf.reduce_sum(tf.one_hot(k - 1, self.n_types) * lam, -1)
        log_hit = tf.math.log(tf.where(mask > 0, hit, tf.ones_like(hit)))  # SAFE: padded steps are set to 1 before the log, real ones carry lambda >= 1e-8
        ll = mask * (log_hit - self.compensator(h, u))
        return tf.reduce_sum(ll) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: max with 1


class LogNormalGaps(keras.Model):
    """Intensity-free alternative: mixture density of the next gap."""

    def __init__(self, n_types, scale, mix=4, units=32):
        super().__init__()
        self.feat = TimeFeatures(scale)
        self.scale = self.feat.scale
        self.emb = layers.Embedding(n_types + 1, 16)
        self.rnn = layers.GRU(units, return_sequences=True)
        self.out = layers.Dense(3 * mix)
        self.kind = layers.Dense(n_types)

    def log_likelihood(self, dt, kind):
        h = self.rnn(tf.concat([self.feat(dt), self.emb(kind)], -1))[:, :-1]
        u, k = dt[:, 1:], kind[:, 1:]
        mask = tf.cast(k != PAD, tf.float32)
        w, mu, ls = tf.split(self.out(h), 3, axis=-1)
        ls = tf.clip_by_value(ls, -5.0, 3.0)
        y = tf.math.log(u / self.scale)[..., None]  # BUG: log-zero, tied events (and padding) have gap 0, log is -inf and the masked product NaN
        z = (y - mu) * tf.exp(-ls)  # SAFE: ls clipped to [-5, 3]
        comp = tf.nn.log_softmax(w) - 0.5 * tf.square(z) - ls - 0.9189385
        gap_ll = tf.reduce_logsumexp(comp, -1) - y[..., 0]
        kind_ll = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(k - 1, 0), logits=self.kind(h))  # SAFE: linear output, padding labels are set to 0 and masked
        return tf.reduce_sum(mask * (gap_ll + kind_ll)) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: max with 1


def rate_summary(dt, kind):
    """Events per unit time of each sequence, for the report."""
    span = dt.sum(1)
    n = (kind != PAD).sum(1)
    return n / np.maximum(span, 1e-6)  # SAFE: floored at 1e-6


def rescaled_ks(lam_int):
    """Kolmogorov distance of the rescaled gaps to Exp(1)."""
    v = np.sort(1.0 - np.exp(-np.clip(lam_int, 0.0, None)))  # SAFE: exponent is <= 0
    if not len(v):
        return 0.0
    grid = np.arange(1, len(v) + 1) / len(v)  # SAFE: empty input returns above
    return float(np.abs(v - grid).max())


@tf.function(reduce_retracing=True)
def train_step(model, opt, dt, kind):
    with tf.GradientTape() as tape:
        loss = -model.log_likelihood(dt, kind)
    g = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pickle")
    ap.add_argument("--decoder", default="hawkes", choices=["hawkes", "lognormal"])
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--lr", type=float, default=2e-3)
    a = ap.parse_args()
    with open(a.pickle, "rb") as fh:
        blob = pickle.load(fh)
    seqs = [s for s in blob["train"] if len(s) > 1]
    scale = float(np.mean([gaps([e["time"] for e in s])[1:].mean() for s in seqs]))  # SAFE: sequences shorter than two events are dropped
    cls = Process if a.decoder == "hawkes" else LogNormalGaps
    model = cls(blob["dim_process"], scale)
    opt = keras.optimizers.Adam(a.lr, clipnorm=1.0)
    rng = np.random.default_rng(0)
    for epoch in range(a.epochs):
        order = rng.permutation(len(seqs))
        losses = []
        for i in range(0, len(order), a.batch):
            dt, kind = pad_batch([seqs[j] for j in order[i:i + a.batch]])
            losses.append(float(train_step(model, opt, tf.constant(dt), tf.constant(kind))))
        print("epoch", epoch, "nll", np.mean(losses), "rate", rate_summary(dt, kind).mean())
        if a.decoder == "hawkes":
            h = model.history(dt, kind)[:, :-1]
            ok = kind[:, 1:] != PAD
            print("   KS", rescaled_ks(model.compensator(h, dt[:, 1:]).numpy()[ok]))
    model.save_weights("tpp_%s.weights.h5" % a.decoder)


if __name__ == "__main__":
    main()
