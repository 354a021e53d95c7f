"""Time-to-cancer risk from screening mammograms, Cox partial likelihood (Efron-free, Breslow ties).

    python mammo_cox.py --csv exams.csv --npy-dir crops/ --epochs 30
"""
import argparse
import os
import pprint

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SIDE = 160
TABULAR = ["age", "bmi", "density", "family"]


class Cohort:
    def __init__(self, csv, npy_dir):
        df = pd.read_csv(csv)
        df = df[df.months > 0].copy()
        df["family"] = df.family.fillna(0)
        df["bmi"] = df.bmi.fillna(df.bmi.median())
        self.df = df.sort_values("months").reset_index(drop=True)
        self.npy_dir = npy_dir

    def split(self, frac, seed):
        rng = np.random.default_rng(seed)
        women = self.df.woman.unique()
        rng.shuffle(women)
        cut = int(frac * len(women))
        is_train = self.df.woman.isin(women[:cut])
        return self.df[is_train], self.df[~is_train]

    def fit_scaler(self, tr):
        self.mu = tr[TABULAR].mean()
        self.sd = tr[TABULAR].std().replace(0.0, 1.0)

    def table(self, df):
        return ((df[TABULAR] - self.mu) / self.sd).to_numpy(np.float32)  # SAFE: zero deviations were replaced by one

    def image(self, exam):
        x = np.load(os.path.join(self.npy_dir, f"{exam}.npy")).astype(np.float32)
        x = np.log1p(np.maximum(x, 0))  # SAFE: negative raw counts are cut before log1p
        return (x / max(x.max(), 1e-3))[..., None]  # SAFE: maximum floored

    def dataset(self, df, batch, train):
        tab, t = self.table(df), df.months.to_numpy(np.float32)
        ev, ex = df.cancer.to_numpy(np.float32), df.exam.to_numpy()

        def gen():
            order = np.random.permutation(len(df)) if train else np.arange(len(df))
            for i in order:
                yield {"img": self.image(ex[i]), "tab": tab[i]}, np.array([t[i], ev[i]], np.float32)

        sig = ({"img": tf.TensorSpec([SIDE, SIDE, 1]), "tab": tf.TensorSpec([len(TABULAR)])}, tf.TensorSpec([2]))
        return tf.data.Dataset.from_generator(gen, output_signature=sig).batch(batch, drop_remainder=train).prefetch(2)


def network(width=24):
    img, tab = keras.Input((SIDE, SIDE, 1), name="img"), keras.Input((len(TABULAR),), name="tab")
    x = img
    for i in range(4):
        x = layers.Conv2D(width * 2 ** i, 3, 2, padding="same")(x)
        x = layers.GroupNormalization(8)(x)
        x = layers.Activation("gelu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    t = layers.Dense(32, activation="gelu")(tab)
    h = layers.Dense(64, activation="gelu")(layers.Concatenate()([x, t]))
    risk = layers.Dense(1, use_bias=False)(h)
    return keras.Model({"img": img, "tab": tab}, risk)


class BreslowLoss(keras.losses.Loss):
    """Negative log partial likelihood of the mini-batch."""

    def __init__(self, l2=1e-3):
        super().__init__(name="breslow")
        self.l2 = l2

    def call(self, y_true, y_pred):
        t, e = y_true[:, 0], y_true[:, 1]
        eta = y_pred[:, 0]
        at_risk = tf.cast(t[None, :] >= t[:, None], tf.float32)
        masked = eta[None, :] + (1.0 - at_risk) * -1e9
        lse = tf.reduce_logsumexp(masked, axis=1)  # SAFE: logsumexp is stabilised and each row contains the subject itself
        n = tf.reduce_sum(e)
        nll = tf.reduce_sum((lse - eta) * e) / tf.maximum(n, 1.0)  # SAFE: number of events floored at one
        return nll + self.l2 * tf.reduce_mean(tf.square(eta))


def concordance(t, e, r):
    num = den = 0.0
    for i in np.flatnonzero(e):
        later = t > t[i]
        den += later.sum()
        num += (r[i] > r[later]).sum() + 0.5 * (r[i] == r[later]).sum()
    return num / max(den, 1.0)  # SAFE: number of comparable pairs floored


def baseline_hazard(t, e, r):
    """Breslow estimate of the cumulative baseline hazard on the training set."""
    w = np.exp(np.clip(r - r.mean(), -30, 30))  # SAFE: clipped exponent in numpy, evaluation only
    order = np.argsort(t)
    denom = np.cumsum(w[order][::-1])[::-1]
    h = np.cumsum(e[order] / denom)  # SAFE: cumulative sum of positive weights
    return t[order], h, r.mean()


def survival_at(month, base, r):
    tt, h, m = base
    k = np.searchsorted(tt, month, side="right") - 1
    h0 = h[k] if k >= 0 else 0.0
    return np.exp(-h0 * np.exp(np.clip(r - m, -30, 30)))  # SAFE: hazards are non-negative and the inner exponent is clipped


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", required=True)
    ap.add_argument("--npy-dir", required=True)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=3e-4)
    args = ap.parse_args()
    pprint.pprint(vars(args))
    co = Cohort(args.csv, args.npy_dir)
    tr, va = co.split(0.8, 13)
    co.fit_scaler(tr)
    net = network()
    steps = max(len(tr) // args.batch, 1)
    lr = keras.optimizers.schedules.CosineDecay(0.0, args.epochs * steps, warmup_target=args.lr, warmup_steps=steps)  # SAFE: starts at 0 but warms up to the target rate
    net.compile(keras.optimizers.AdamW(lr, weight_decay=1e-3, global_clipnorm=1.0), loss=BreslowLoss())
    best = 0.0
    for ep in range(args.epochs):
        net.fit(co.dataset(tr, args.batch, True), epochs=1, steps_per_epoch=steps, verbose=2)
        r = net.predict(co.dataset(va, args.batch, False), verbose=0)[:, 0]
        c = concordance(va.months.to_numpy(), va.cancer.to_numpy(), r)
        print(f"epoch {ep} C-index {c:.4f}")
        if c > best:
            best = c
            net.save("mammo_cox.keras")
    r_tr = net.predict(co.dataset(tr, args.batch, False), verbose=0)[:, 0]
    base = baseline_hazard(tr.months.to_numpy(), tr.cancer.to_numpy(), r_tr)
    s = survival_at(60, base, net.predict(co.dataset(va, args.batch, False), verbose=0)[:, 0])
    bins = pd.qcut(1 - s, 5, duplicates="drop")
    print(va.assign(risk=1 - s).groupby(bins, observed=True).cancer.agg(["mean", "size"]))


if __name__ == "__main__":
    main()
