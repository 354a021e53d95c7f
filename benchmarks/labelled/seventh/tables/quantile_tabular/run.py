import argparse

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from features import BoxCox, QuantileTransformer, fourier, read
from heads import EvidentialHead, MixtureHead, QuantileHead


class Net(keras.Model):

    def __init__(self, head, width=128, depth=3, dropout=0.1):
        super().__init__()
        self.inp = layers.Dense(width)
        self.blocks = [(layers.LayerNormalization(epsilon=1e-5), layers.Dense(width, activation="gelu"), layers.Dense(width))  # SAFE: float32 and the usual epsilon
                       for _ in range(depth)]
        self.flat = [l for b in self.blocks for l in b]
        self.drop, self.head = layers.Dropout(dropout), head

    def call(self, x, training=False):
        h = self.inp(x)
        for norm, a, b in self.blocks:
            h = h + self.drop(b(a(norm(h))), training=training)
        return self.head(h)


def make_step(model, opt, penalty):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            out = model(x, training=True)
            loss = model.head.loss(y, out)
            if isinstance(model.head, QuantileHead):
                loss += penalty * model.head.width_penalty(out, y)
        grads = tape.gradient(loss, model.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, 5.0)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss, norm
    return step


def coverage(y, lo, hi):
    return float(((y >= lo) & (y <= hi)).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="table.csv")
    ap.add_argument("--target", default="y")
    ap.add_argument("--head", default="quantile", choices=["quantile", "mixture", "evidential"])
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--penalty", type=float, default=0.0)
    a = ap.parse_args()
    x, y, cols = read(a.csv, a.target)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    tr, te = order[: int(0.8 * len(x))], order[int(0.8 * len(x)):]
    qt, bc = QuantileTransformer().fit(x[tr]), BoxCox().fit(y[tr])
    ft = lambda v: np.concatenate([qt(v), fourier(qt(v), 16, 0.1)], 1)
    xt, xv, yt, yv = ft(x[tr]), ft(x[te]), bc.encode(y[tr]), bc.encode(y[te])
    head = {"quantile": lambda: QuantileHead([0.05, 0.25, 0.5, 0.75, 0.95]), "mixture": lambda: MixtureHead(5),
            "evidential": EvidentialHead}[a.head]()
    model = Net(head)
    step = make_step(model, keras.optimizers.AdamW(a.lr, weight_decay=1e-4), a.penalty)
    for e in range(a.epochs):
        perm = rng.permutation(len(xt))
        logs = [step(tf.constant(xt[k]), tf.constant(yt[k])) for k in np.array_split(perm, max(len(perm) // a.batch, 1))]
        print(f"epoch {e} loss {np.mean([float(l) for l, _ in logs]):.4f}", flush=True)
    out = model(tf.constant(xv))
    if a.head == "quantile":
        p = out.numpy()
        print("coverage", coverage(yv, p[:, 0], p[:, -1]), "score", float(head.interval_score(yv, out)))
        med = p[:, 2]
    else:
        med = (head.mean_std(out)[0] if a.head == "mixture" else out[0]).numpy()
    err = np.abs(bc.decode(med) - y[te])
    print("mae", err.mean(), "mape", float((err / np.maximum(np.abs(y[te]), 1e-3)).mean()))  # SAFE: floored, evaluation only


if __name__ == "__main__":
    main()
