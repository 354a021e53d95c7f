"""DeepSurv style Cox regression on METABRIC-like tables."""
import argparse
import csv
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, regularizers


def read_table(path):
    with open(path) as f:
        rows = list(csv.reader(f))
    head, body = rows[0], np.array(rows[1:], dtype="float64")
    t, e = head.index("duration"), head.index("event")
    cols = [k for k in range(len(head)) if k not in (t, e)]
    return body[:, cols], body[:, t], body[:, e]


def impute(x):
    med = np.nanmedian(x, axis=0)
    med = np.where(np.isnan(med), 0.0, med)
    return np.where(np.isnan(x), med, x)


def scale(x, lo=None, hi=None):
    lo = x.min(0) if lo is None else lo
    hi = x.max(0) if hi is None else hi
    rng = np.where(hi - lo > 0, hi - lo, 1.0)
    return ((x - lo) / rng).astype("float32"), lo, hi  # SAFE: constant columns get range 1


def make_net(n_in, hidden=(64, 64), l2=0.0):
    m = tf.keras.Sequential([layers.Input((n_in,))])
    for h in hidden:
        m.add(layers.Dense(h, activation="relu", kernel_regularizer=regularizers.l2(l2)))
        m.add(layers.Dropout(0.2))
    m.add(layers.Dense(1, use_bias=False))
    return m


def sort_desc(t, e, risk):
    order = tf.argsort(t, direction="DESCENDING")
    return tf.gather(e, order), tf.gather(risk, order)


def cox_loss(t, e, risk):
    """Negative partial likelihood, Breslow ties."""
    e, risk = sort_desc(t, e, tf.squeeze(risk, -1))
    hazard = tf.exp(risk)  # BUG: exp-overflow, the log risk is an unbounded linear output, above 88.7 the sum is inf and the loss inf/NaN
    log_cum = tf.math.log(tf.cumsum(hazard))  # MAYBE: risk scores all below -103 would give log(0) too
    ll = (risk - log_cum) * e
    return -tf.reduce_sum(ll) / tf.maximum(tf.reduce_sum(e), 1.0)  # SAFE: number of events floored at one


def ranking_loss(t, e, risk, sigma=0.1):
    r = tf.tanh(tf.squeeze(risk, -1))
    later = tf.cast(t[:, None] < t[None, :], tf.float32) * e[:, None]
    d = r[None, :] - r[:, None]
    pen = tf.exp(tf.clip_by_value(d / sigma, -20.0, 20.0))  # SAFE: exponent clipped to 20
    return tf.reduce_sum(later * pen) / (tf.reduce_sum(later) + 1.0)  # SAFE: one added to a non-negative count


def concordance(t, e, r):
    num = den = 0.0
    for i in range(len(t)):
        if not e[i]:
            continue
        c = t > t[i]
        den += c.sum()
        num += (r[c] < r[i]).sum() + 0.5 * (r[c] == r[i]).sum()
    return num / den if den else 0.5  # SAFE: returns 0.5 without comparable pairs


def kaplan_meier(t, e):
    surv, out = 1.0, []
    for u in np.unique(t[e > 0]):
        at_risk = (t >= u).sum()
        surv *= 1.0 - ((t == u) & (e > 0)).sum() / at_risk  # SAFE: u is an observed time, at least one subject is at risk
        out.append((u, surv))
    return out


def integrated_log_score(s, y, eps=1e-7):
    s = np.clip(s, eps, 1 - eps)
    return float(-np.mean(y * np.log(s) + (1 - y) * np.log(1 - s)))  # SAFE: float64 numpy, clipped to [1e-7, 1-1e-7]


def fit(net, x, t, e, epochs, lr, rank_weight=0.0, batch=256, seed=0):
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.InverseTimeDecay(lr, 100, 0.1))
    ds = tf.data.Dataset.from_tensor_slices((x, t.astype("float32"), e.astype("float32")))
    hist = []
    for ep in range(epochs):
        for bx, bt, be in ds.shuffle(len(x), seed=seed + ep).batch(batch):
            with tf.GradientTape() as tape:
                r = net(bx, training=True)
                loss = cox_loss(bt, be, r) + tf.add_n(net.losses or [tf.constant(0.0)])
                if rank_weight:
                    loss += rank_weight * ranking_loss(bt, be, r)
            opt.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        hist.append(float(loss))
    return hist


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--csv", default="metabric.csv")
    p.add_argument("--epochs", type=int, default=500)
    p.add_argument("--lr", type=float, default=1e-2)
    p.add_argument("--rank", type=float, default=0.0)
    a = p.parse_args()
    x, t, e = read_table(a.csv)
    x, lo, hi = scale(impute(x))
    n = int(0.8 * len(x))
    net = make_net(x.shape[1])
    fit(net, x[:n], t[:n], e[:n], a.epochs, a.lr, a.rank)
    r = net.predict(x[n:])[:, 0]
    print("c-index", concordance(t[n:], e[n:], r), "KM tail", kaplan_meier(t, e)[-1])


if __name__ == "__main__":
    main()
