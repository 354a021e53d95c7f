"""Train a small click model and produce a calibration / ranking report."""
import argparse
import json
import numpy as np
import tensorflow as tf

BUCKETS = [1000, 500, 50]


def hash_columns(rows):
    out = np.zeros((len(rows), len(BUCKETS)), "int32")
    for k, b in enumerate(BUCKETS):
        out[:, k] = [hash((k, r[k])) % b for r in rows]  # SAFE: bucket sizes are the positive constants above
    return out


def dense_columns(d):
    d = np.nan_to_num(np.asarray(d, "float64"), nan=0.0, posinf=0.0, neginf=0.0)
    d = np.sign(d) * np.log1p(np.abs(d))  # SAFE: log1p of an absolute value
    q = np.percentile(d, 99, axis=0)
    d = np.minimum(d, q)
    return ((d - d.mean(0)) / np.maximum(d.std(0), 1e-3)).astype("float32")  # SAFE: std floored


class ClickModel(tf.keras.Model):
    def __init__(self, n_dense, dim=8):
        super().__init__()
        self.embs = [tf.keras.layers.Embedding(b, dim) for b in BUCKETS]
        self.deep = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(1)])
        self.wide = tf.keras.layers.Dense(1)

    def call(self, inputs, training=False):
        cat, dense = inputs
        e = tf.stack([emb(cat[:, k]) for k, emb in enumerate(self.embs)], 1)
        fm = 0.5 * tf.reduce_sum(tf.square(tf.reduce_sum(e, 1)) - tf.reduce_sum(tf.square(e), 1), -1, keepdims=True)
        x = tf.concat([tf.reshape(e, [-1, e.shape[1] * e.shape[2]]), dense], -1)
        return self.deep(x) + self.wide(dense) + fm


def auc(y, s):
    order = np.argsort(s, kind="mergesort")
    r = np.empty(len(s))
    r[order] = np.arange(1, len(s) + 1)
    n1, n0 = (y == 1).sum(), (y == 0).sum()
    if n1 == 0 or n0 == 0:
        return float("nan")
    return (r[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)  # SAFE: returns before when a class is missing


def logloss(y, p):
    p = np.clip(p.astype("float64"), 1e-15, 1 - 1e-15)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))  # SAFE: float64 and clipped to [1e-15, 1-1e-15]


def normalised_entropy(y, p):
    base = np.clip(y.mean(), 1e-6, 1 - 1e-6)
    h = -(base * np.log(base) + (1 - base) * np.log(1 - base))
    return logloss(y, p) / h  # SAFE: base rate clipped, entropy of the prior is at least 1.5e-5


def ece(y, p, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    idx = np.clip(np.digitize(p, edges) - 1, 0, bins - 1)
    cnt = np.bincount(idx, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        acc = np.bincount(idx, weights=y, minlength=bins) / cnt  # SAFE: empty bins give NaN and are dropped by the mask below, report only
        conf = np.bincount(idx, weights=p, minlength=bins) / cnt
    ok = cnt > 0
    return float((np.abs(acc - conf)[ok] * cnt[ok]).sum() / cnt.sum())  # SAFE: only filled bins, total is the number of rows


def fit_temperature(logits, y, steps=200, lr=0.05):
    """Platt scaling with one positive temperature."""
    log_t = tf.Variable(0.0)
    opt = tf.keras.optimizers.Adam(lr)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            t = tf.exp(tf.clip_by_value(log_t, -3.0, 3.0))  # SAFE: log temperature clipped to [-3, 3]
            nll = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits / t))  # SAFE: t is at least exp(-3)
        opt.apply_gradients([(tape.gradient(nll, log_t), log_t)])
    return float(np.exp(np.clip(log_t.numpy(), -3.0, 3.0)))


def f_beta(tp, fp, fn, beta=1.0):
    p = tp / (tp + fp) if tp + fp else 0.0  # SAFE: conditional expression
    r = tp / (tp + fn) if tp + fn else 0.0
    d = beta ** 2 * p + r
    return (1 + beta ** 2) * p * r / d if d else 0.0  # SAFE: conditional expression


def psi(a, b, bins=10):
    edges = np.quantile(a, np.linspace(0, 1, bins + 1)[1:-1])
    ha = np.bincount(np.searchsorted(edges, a), minlength=bins) + 0.5
    hb = np.bincount(np.searchsorted(edges, b), minlength=bins) + 0.5
    pa, pb = ha / ha.sum(), hb / hb.sum()
    return float(np.sum((pa - pb) * np.log(pa / pb)))  # SAFE: half a count was added to every bin


def report(y, logits, t):
    p = 1.0 / (1.0 + np.exp(-np.clip(logits / t, -60, 60)))  # SAFE: exponent clipped to 60
    best = max((f_beta(int(((p > th) & (y == 1)).sum()), int(((p > th) & (y == 0)).sum()), int(((p <= th) & (y == 1)).sum())), th)
               for th in np.linspace(0.05, 0.95, 19))
    return {"auc": auc(y, p), "logloss": logloss(y, p), "ne": normalised_entropy(y, p), "ece": ece(y, p), "best_f1": best}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--npz", default="clicks.npz")
    ap.add_argument("--epochs", type=int, default=2)
    a = ap.parse_args()
    d = np.load(a.npz, allow_pickle=True)
    cat, dense, y = hash_columns(d["cat"]), dense_columns(d["dense"]), d["y"].astype("float32")
    n = int(0.8 * len(y))
    m = ClickModel(dense.shape[1])
    m.compile("adam", tf.keras.losses.BinaryCrossentropy(from_logits=True))  # SAFE: model returns the raw sum of wide, deep and FM scores
    m.fit((cat[:n], dense[:n]), y[:n, None], batch_size=1024, epochs=a.epochs)
    logits = m.predict((cat[n:], dense[n:]))[:, 0]
    t = fit_temperature(logits, y[n:])
    print(json.dumps(report(y[n:], logits, t), default=float), "psi", psi(dense[:n, 0], dense[n:, 0]))


if __name__ == "__main__":
    main()
