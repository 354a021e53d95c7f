import argparse
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, regularizers

import baseline
import data
import losses


def network(n_in, hidden, dropout, l2):
    m = tf.keras.Sequential([tf.keras.Input((n_in,))])
    for h in hidden:
        m.add(layers.Dense(h, activation="selu", kernel_initializer="lecun_normal",
                           kernel_regularizer=regularizers.l2(l2)))
        m.add(layers.AlphaDropout(dropout))
    m.add(layers.Dense(1, use_bias=False))
    return m


class Fit:
    def __init__(self, model, lr, alpha):
        self.model = model
        self.alpha = alpha
        self.opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.InverseTimeDecay(lr, 1000, 0.5))

    @tf.function
    def step(self, x, t, e):
        with tf.GradientTape() as tape:
            r = self.model(x, training=True)
            loss = losses.breslow(r, e) + self.alpha * losses.ranking(r, t, e)
            loss += tf.add_n(self.model.losses)
        v = self.model.trainable_variables
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 5.0)
        self.opt.apply_gradients(zip(g, v))
        return loss

    def validate(self, x, t, e):
        xs, ts, es = data.sort_batch(tf.constant(x), tf.constant(t), tf.constant(e))
        r = self.model(xs)
        return float(losses.breslow_full(r, es)), baseline.concordance(r.numpy().ravel(), ts.numpy(), es.numpy())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--time-col", default="duration")
    ap.add_argument("--event-col", default="event")
    ap.add_argument("--hidden", default="64,32")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--alpha", type=float, default=0.1)
    ap.add_argument("--out", default="out")
    a = ap.parse_args()
    (x, t, e), val = data.read(a.csv, a.time_col, a.event_col)
    model = network(x.shape[1], [int(h) for h in a.hidden.split(",")], 0.1, 1e-4)
    fit = Fit(model, a.lr, a.alpha)
    best = -1.0
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        ls = [float(fit.step(*b)) for b in data.make_dataset(x, t, e, a.batch)]
        vl, ci = fit.validate(*val)
        print(f"{ep:03d} train {np.mean(ls):.4f} val {vl:.4f} c-index {ci:.3f}")
        if ci > best:
            best = ci
            model.save_weights(os.path.join(a.out, "best.weights.h5"))
    ts, h0 = baseline.cumulative_hazard(model(x).numpy(), t, e)
    with open(os.path.join(a.out, "baseline.json"), "w") as f:
        json.dump({"time": ts.tolist(), "hazard": h0.tolist(), "c": best}, f)


if __name__ == "__main__":
    main()
