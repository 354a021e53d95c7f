import argparse

import numpy as np
import tensorflow as tf

import losses
from data import Preprocessor, iterate, read_csv, sorted_by_time
from model import breslow_baseline, deepsurv


def c_index(risk, t, e):
    num = den = 0.0
    for i in range(len(t)):
        if e[i] == 0:
            continue
        later = t > t[i]
        den += later.sum()
        num += (risk[i] > risk[later]).sum() + 0.5 * (risk[i] == risk[later]).sum()
    return num / den if den > 0 else 0.5  # SAFE: den == 0 handled


class Fitter:
    def __init__(self, n_features, args):
        self.kind = args.loss
        self.rank_w = args.rank_weight
        self.net = deepsurv(n_features, outputs=2 if args.loss == "weibull" else 1)
        self.opt = tf.keras.optimizers.Adam(args.lr, clipnorm=1.0)

    def objective(self, x, t, e, training):
        out = self.net(x, training=training)
        if self.kind == "weibull":
            return losses.weibull_nll(out[:, 0], out[:, 1], t, e)
        risk = out[:, 0]
        return losses.cox_nll(risk, e) + self.rank_w * losses.ranking_loss(risk, t, e)

    @tf.function
    def step(self, x, t, e):
        with tf.GradientTape() as tape:
            loss = self.objective(x, t, e, True)
            total = loss + tf.add_n(self.net.losses)
        grads = tape.gradient(total, self.net.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.net.trainable_variables))
        return loss


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--loss", choices=["cox", "weibull"], default="cox")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--rank-weight", type=float, default=0.1)
    a = ap.parse_args()
    rng = np.random.default_rng(7)
    x, t, e = read_csv(a.csv)
    cut = int(0.8 * len(t))
    order = rng.permutation(len(t))
    tr, va = order[:cut], order[cut:]
    prep = Preprocessor().fit(x[tr])
    xt, xv = prep.transform(x[tr]), prep.transform(x[va])
    f = Fitter(xt.shape[1], a)
    for ep in range(a.epochs):
        run = [float(f.step(*b)) for b in iterate(xt, t[tr], e[tr], a.batch, rng)]
        if ep % 5 == 0:
            risk = f.net(xv).numpy()[:, 0]
            print(ep, np.mean(run) if run else None, c_index(risk, t[va], e[va]))
    if a.loss == "cox":
        times, cum = breslow_baseline(f.net(xt).numpy()[:, 0], t[tr], e[tr])
        np.savez("baseline.npz", times=times, cum=cum)


if __name__ == "__main__":
    main()
