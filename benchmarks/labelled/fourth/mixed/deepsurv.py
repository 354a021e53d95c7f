"""Cox proportional hazards network for the heart failure records (299 patients)."""
import csv

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

FEATURES = ["age", "anaemia", "creatinine_phosphokinase", "diabetes", "ejection_fraction",
            "high_blood_pressure", "platelets", "serum_creatinine", "serum_sodium", "sex", "smoking"]
CFG = {"hidden": (32, 32), "lr": 1e-3, "epochs": 300, "batch": 8, "l2": 1e-4, "breslow_eps": 1e-6}


def read(path):
    x, t, e = [], [], []
    with open(path) as f:
        for r in csv.DictReader(f):
            x.append([float(r[c]) for c in FEATURES])
            t.append(float(r["time"]))
            e.append(float(r["DEATH_EVENT"]))
    return np.array(x, np.float32), np.array(t, np.float32), np.array(e, np.float32)


def prepare(x):
    x = x.copy()
    x[:, 2] = np.log1p(x[:, 2])  # SAFE: enzyme level is positive
    x[:, 6] = x[:, 6] / 1e5
    x[:, 7] = np.log(np.maximum(x[:, 7], 0.1))  # SAFE: floored at 0.1
    return x


def by_time(x, t, e):
    o = np.argsort(-t, kind="stable")
    return x[o], t[o], e[o]


class RiskNet(tf.keras.Model):
    def __init__(self, hidden):
        super().__init__()
        reg = tf.keras.regularizers.l2(CFG["l2"])
        self.hidden = [layers.Dense(h, activation="relu", kernel_regularizer=reg) for h in hidden]
        self.out = layers.Dense(1, use_bias=False)

    def call(self, x):
        for h in self.hidden:
            x = h(x)
        return self.out(x)[:, 0]


def neg_partial_likelihood(risk, event):
    """Rows are sorted by falling time, the risk set of row i is 0..i."""
    log_cum = tf.math.cumulative_logsumexp(risk)  # SAFE: shifted log-sum-exp
    ll = (risk - log_cum) * event
    return -tf.reduce_sum(ll) / tf.reduce_sum(event)  # BUG: div-zero, a random batch of 8 patients is without any death in about one of twenty


def ranking_penalty(risk, time, event, sigma=1.0):
    later = tf.cast(time[None, :] > time[:, None], tf.float32) * event[:, None]
    d = (risk[:, None] - risk[None, :]) / sigma
    n = tf.reduce_sum(later)
    return tf.reduce_sum(later * tf.nn.softplus(-d)) / tf.maximum(n, 1.0)  # SAFE: floored at 1, softplus is stable


def breslow(risk, time, event):
    """Baseline cumulative hazard at the event times (numpy, after training)."""
    r = np.exp(np.clip(risk - risk.max(), -50, 0))  # SAFE: clipped and not above 0
    at_risk = np.cumsum(r)
    inc = event / (at_risk + CFG["breslow_eps"])  # SAFE: epsilon in float64 and the first summands are positive
    return time[::-1], np.cumsum(inc[::-1])


def concordance(risk, time, event):
    num = den = 0.0
    for i in np.flatnonzero(event):
        later = time > time[i]
        den += later.sum()
        num += (risk[i] > risk[later]).sum() + 0.5 * (risk[i] == risk[later]).sum()
    return num / den if den else 0.5  # SAFE: no pairs gives 0.5


class Trainer:
    def __init__(self, mean, std):
        self.net = RiskNet(CFG["hidden"])
        self.mean = tf.constant(mean)
        self.std = tf.constant(np.where(std < 1e-6, 1.0, std).astype(np.float32))
        self.opt = tf.keras.optimizers.Adam(CFG["lr"])

    def scale(self, x):
        return (x - self.mean) / self.std  # SAFE: zero deviations are replaced in __init__

    def step(self, x, t, e):
        with tf.GradientTape() as tape:
            risk = self.net(self.scale(x))
            loss = neg_partial_likelihood(risk, e) + 0.1 * ranking_penalty(risk, t, e)
            loss += tf.add_n(self.net.losses)
        g = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return loss

    def fit(self, x, t, e):
        n = len(x)
        for epoch in range(CFG["epochs"]):
            idx = np.random.permutation(n)
            for i in range(0, n, CFG["batch"]):
                loss = self.step(*by_time(x[idx[i:i + CFG["batch"]]], t[idx[i:i + CFG["batch"]]],
                                          e[idx[i:i + CFG["batch"]]]))
            if epoch % 20 == 0:
                print("epoch", epoch, "loss", float(loss))


def main():
    tf.keras.utils.set_random_seed(9)
    x, t, e = read("heart_failure_clinical_records_dataset.csv")
    x = prepare(x)
    idx = np.random.permutation(len(x))
    tr, te = idx[:240], idx[240:]
    trainer = Trainer(x[tr].mean(0), x[tr].std(0))
    trainer.fit(x[tr], t[tr], e[tr])
    xs, ts, es = by_time(x[te], t[te], e[te])
    risk = trainer.net(trainer.scale(xs)).numpy()
    print("c-index", concordance(risk, ts, es))
    print("baseline", breslow(risk, ts, es)[1][-1])


if __name__ == "__main__":
    main()
