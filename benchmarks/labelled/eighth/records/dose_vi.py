"""Variational Bayes for a hierarchical Emax dose-response model with Student-t noise.

response = e0 + emax * d^h / (ed50^h + d^h); study effects on e0; data: csv study,dose,response
"""
import argparse
import csv
import math

import numpy as np
import tensorflow as tf

NU = 5.0
LOG_2PI = math.log(2.0 * math.pi)


def load(path):
    study, dose, resp = [], [], []
    with open(path) as fh:
        for r in csv.DictReader(fh):
            study.append(r["study"])
            dose.append(max(float(r["dose"]), 0.0))
            resp.append(float(r["response"]))
    names = sorted(set(study))
    idx = np.array([names.index(s) for s in study], np.int32)
    dose, resp = np.array(dose, np.float32), np.array(resp, np.float32)
    if not (dose > 0).any():
        raise SystemExit("only placebo rows")
    unit = float(np.median(dose[dose > 0]))
    centre, spread = float(resp.mean()), max(float(resp.std()), 1e-3)
    return names, idx, dose / unit, (resp - centre) / spread, (unit, centre, spread)  # SAFE: median of positive doses and a floored spread


def emax_curve(dose, e0, emax, log_ed50, log_h):
    """The placebo rows have dose zero, so the power is taken of one there and masked."""
    active = dose > 0.0
    safe = tf.where(active, dose, tf.ones_like(dose))
    h = tf.exp(tf.clip_by_value(log_h, -1.5, 1.5))  # SAFE: clipped
    x = h * (tf.math.log(safe) - log_ed50)  # SAFE: zero doses are replaced by one
    share = tf.where(active, tf.sigmoid(x), tf.zeros_like(x))  # SAFE: both branches and their slopes are finite
    return e0 + emax * share


def student_t(y, mean, log_sigma):
    log_sigma = tf.clip_by_value(log_sigma, -6.0, 4.0)
    z = (y - mean) * tf.exp(-log_sigma)  # SAFE: clipped
    const = math.lgamma((NU + 1) / 2) - math.lgamma(NU / 2) - 0.5 * math.log(NU * math.pi)  # SAFE: constants
    return const - log_sigma - 0.5 * (NU + 1) * tf.math.log1p(tf.square(z) / NU)  # SAFE: log1p of a square


class MeanField(tf.Module):
    def __init__(self, n):
        super().__init__()
        self.loc = tf.Variable(tf.zeros(n))
        self.rho = tf.Variable(tf.fill([n], -2.0))

    def scale(self):
        return tf.nn.softplus(self.rho) + 1e-4

    def sample(self, draws):
        s = self.scale()
        eps = tf.random.normal((draws, s.shape[0]))
        return self.loc + s * eps

    def entropy(self):
        return tf.reduce_sum(tf.math.log(self.scale()) + 0.5 * (1.0 + LOG_2PI))  # SAFE: 1e-4 is added to the softplus


class FullRank(tf.Module):
    """Cholesky factor with a softplus diagonal, starts from the mean-field fit."""

    def __init__(self, base):
        super().__init__()
        n = base.loc.shape[0]
        self.loc = tf.Variable(base.loc)
        s = base.scale().numpy()
        self.diag = tf.Variable(np.log(np.expm1(np.maximum(s, 1e-3))))  # SAFE: floored
        self.low = tf.Variable(tf.zeros((n, n)))  # SAFE: off-diagonal entries get a gradient through the sample

    def factor(self):
        off = tf.linalg.band_part(self.low, -1, 0)
        off -= tf.linalg.diag(tf.linalg.diag_part(off))
        return off + tf.linalg.diag(tf.nn.softplus(self.diag) + 1e-5)

    def sample(self, draws):
        eps = tf.random.normal((draws, self.loc.shape[0]))
        return self.loc + tf.matmul(eps, self.factor(), transpose_b=True)

    def entropy(self):
        return tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self.factor())) + 0.5 * (1.0 + LOG_2PI))  # SAFE: 1e-5 is added to the diagonal


def log_joint(z, idx, dose, y):
    """z: e0, emax, log ed50, log h, log sigma, log tau, study effects"""
    e0, emax, log_ed50, log_h, log_sigma, log_tau = (z[:, i:i + 1] for i in range(6))
    raw = z[:, 6:]
    prior = -0.5 * tf.reduce_sum(tf.square(z[:, :2] / 2.0) , 1) - 0.5 * tf.reduce_sum(tf.square(z[:, 2:4]), 1)
    prior -= 0.5 * tf.reduce_sum(tf.square(z[:, 4:6] + 1.0), 1) + 0.5 * tf.reduce_sum(tf.square(raw), 1)
    tau = tf.exp(tf.minimum(log_tau, 2.0))  # SAFE: capped
    mean = emax_curve(dose[None], e0 + tf.gather(tau * raw, idx, axis=1), emax, log_ed50, log_h)
    return prior + tf.reduce_sum(student_t(y[None], mean, log_sigma), 1)


def fit(q, data, steps, lr, draws, label):
    idx, dose, y = (tf.constant(v) for v in data)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(lr, max(steps // 4, 1), 0.5), clipnorm=20.0)  # SAFE: at least one decay step
    tv = list(q.trainable_variables)
    opt.build(tv)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            elbo = tf.reduce_mean(log_joint(q.sample(draws), idx, dose, y)) + q.entropy()
            loss = -elbo
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return elbo

    trace = []
    for i in range(steps):
        trace.append(float(step()))
        if (i + 1) % 500 == 0:
            print("%s %5d elbo %.3f" % (label, i + 1, np.mean(trace[-500:])))
    return trace


def summary(q, names, scaling):
    unit, centre, spread = scaling
    z = q.sample(4000).numpy()
    ed50 = unit * np.exp(np.clip(z[:, 2], -20, 20))  # SAFE: clipped
    rows = {"e0": centre + spread * z[:, 0], "emax": spread * z[:, 1], "ed50": ed50,
            "hill": np.exp(np.clip(z[:, 3], -1.5, 1.5))}  # SAFE: clipped
    for k, v in rows.items():
        lo, mid, hi = np.percentile(v, [2.5, 50, 97.5])
        print("%-5s %.3f [%.3f, %.3f]" % (k, mid, lo, hi))
    for j, n in enumerate(names):
        print("study %-20s %+.3f" % (n, (np.exp(np.minimum(z[:, 5], 2.0)) * z[:, 6 + j]).mean() * spread))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--steps", type=int, default=3000)
    ap.add_argument("--lr", type=float, default=0.02)
    ap.add_argument("--draws", type=int, default=16)
    args = ap.parse_args()
    tf.random.set_seed(2)
    names, idx, dose, y, scaling = load(args.csv)
    base = MeanField(6 + len(names))
    fit(base, (idx, dose, y), args.steps, args.lr, args.draws, "mean-field")
    full = FullRank(base)
    fit(full, (idx, dose, y), args.steps, args.lr / 4, args.draws, "full-rank")
    summary(full, names, scaling)
    tf.train.Checkpoint(q=full).write("dose_vi")


if __name__ == "__main__":
    main()
