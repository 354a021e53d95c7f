import argparse
import os

import numpy as np
import tensorflow as tf

import conf
import series
from nets import Forecaster, Objective, crossing_rate


def make_optimizer(c):
    if c.optimizer == "sgd":
        return tf.keras.optimizers.SGD(c.learning_rate, momentum=c.momentum)
    return tf.keras.optimizers.Adam(c.learning_rate)


class Trainer:
    def __init__(self, c):
        self.c = c
        self.net = Forecaster(c.units, c.horizon, len(c.quantiles))
        self.obj = Objective(c.quantiles)
        self.opt = make_optimizer(c)

    @tf.function
    def step(self, x, f, y):
        with tf.GradientTape() as tape:
            loss = self.obj(y, self.net(x, f))
        v = self.net.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))  # BUG: rate, the loss is a sum over 256 x 24 values and SGD runs with 0.05 and momentum 0.9, the weights diverge in a few steps
        return loss

    def predict(self, X, F, batch=512):
        return np.concatenate([self.net(X[i:i + batch], F[i:i + batch]).numpy() for i in range(0, len(X), batch)])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--config")
    a = ap.parse_args()
    c = conf.load(a.config)
    raw = series.read(a.csv)
    vals, cal = series.fill(raw[:, 1:]), series.calendar(raw[:, 0])
    cut = int(0.85 * len(vals))
    sc = series.Scaler(vals[:cut])
    z = sc(vals)
    X, F, Y = series.windows(z[:cut], cal[:cut], c.history, c.horizon)
    Xv, Fv, Yv = series.windows(z[cut:], cal[cut:], c.history, c.horizon, c.horizon)
    tr = Trainer(c)
    ds = tf.data.Dataset.from_tensor_slices((X, F, Y)).shuffle(10000).batch(c.batch)
    os.makedirs(c.out, exist_ok=True)
    for ep in range(c.epochs):
        tot = sum(float(tr.step(*b)) for b in ds)
        p = tr.predict(Xv, Fv)
        m = series.mape(sc.back(Yv), sc.back(p[..., tr.obj.mid]))
        print(ep, "loss/window %.3f" % (tot / max(len(X), 1)), "mape %.2f" % m, "crossing", float(crossing_rate(p)))  # SAFE: window count floored at 1
        tr.net.save_weights(os.path.join(c.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
