import argparse
import json

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import losses
from cohort import Imputer, Scaler, folds, read
from metrics import baseline_hazard, concordance

OBJECTIVES = {
    "breslow": losses.breslow,
    "stable": losses.breslow_stable,
    "rank": losses.ranking_loss,
    "weibull": losses.weibull_nll,
}


def build(n_in, hidden, dropout, l2, n_out=1):
    inp = keras.Input((n_in,))
    h = inp
    for u in hidden:
        h = layers.Dense(u, activation="selu", kernel_initializer="lecun_normal",
                         kernel_regularizer=keras.regularizers.l2(l2))(h)
        h = layers.AlphaDropout(dropout)(h)
    return keras.Model(inp, layers.Dense(n_out, use_bias=n_out > 1)(h))


class Trainer:

    def __init__(self, model, objective, lr, momentum):
        self.model, self.objective = model, objective
        self.opt = keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(lr, 1000, 0.5),
                                        momentum=momentum, nesterov=True)

    @tf.function(reduce_retracing=True)
    def step(self, x, t, e):
        with tf.GradientTape() as tape:
            out = self.model(x, training=True)
            score = out if self.objective is losses.weibull_nll else out[:, 0]
            loss = self.objective(score, t, e) + tf.add_n(self.model.losses)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss

    def risk(self, x):
        out = self.model.predict(x, verbose=0)
        return -out[:, 0] if self.objective is losses.weibull_nll else out[:, 0]

    def fit(self, x, t, e, epochs, batch, rng):
        hist = []
        for _ in range(epochs):
            order = rng.permutation(len(x))
            total = [float(self.step(*[tf.constant(a[order[i:i + batch]]) for a in (x, t, e)]))
                     for i in range(0, len(x), batch)]
            hist.append(float(np.mean(total)))
        return hist


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="heart_failure.csv")
    ap.add_argument("--objective", default="breslow", choices=sorted(OBJECTIVES))
    ap.add_argument("--hidden", default="32,16")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--momentum", type=float, default=0.9)
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--l2", type=float, default=1e-4)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=200)
    a = ap.parse_args()
    x, t, e = read(a.csv)
    rng = np.random.default_rng(0)
    scores = []
    for k, (tr, te) in enumerate(folds(len(x), 5)):
        imp = Imputer().fit(x[tr])
        sc = Scaler().fit(imp(x[tr]))
        xt, xv = sc(imp(x[tr])), sc(imp(x[te]))
        model = build(xt.shape[1], [int(h) for h in a.hidden.split(",")], a.dropout, a.l2,
                      2 if a.objective == "weibull" else 1)
        trainer = Trainer(model, OBJECTIVES[a.objective], a.lr, a.momentum)
        hist = trainer.fit(xt, t[tr], e[tr], a.epochs, a.batch, rng)
        c = concordance(t[te], trainer.risk(xv), e[te])
        scores.append(c)
        print(f"fold {k} loss {hist[0]:.3f} -> {hist[-1]:.3f} c-index {c:.4f}", flush=True)
        if k == 0:
            with open("baseline.json", "w") as fh:
                json.dump([[float(u), float(v)] for u, v in baseline_hazard(t[tr], trainer.risk(xt), e[tr])], fh)
    print("mean c-index", np.mean(scores), "+-", np.std(scores))


if __name__ == "__main__":
    main()
