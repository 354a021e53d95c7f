"""DeepSurv on METABRIC-like clinical tables. Breslow partial likelihood inside mini-batches."""
import argparse
import csv
import json

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, regularizers

CONTINUOUS = ["age", "size_mm", "nodes", "ki67", "npi"]
BINARY = ["er", "pr", "her2", "chemo", "hormone", "radio"]


def read_table(path):
    x, t, e = [], [], []
    with open(path) as f:
        for r in csv.DictReader(f):
            x.append([float(r[c]) for c in CONTINUOUS] + [float(r[c]) for c in BINARY])
            t.append(float(r["time"]))
            e.append(float(r["event"]))
    return np.array(x, "float32"), np.array(t, "float32"), np.array(e, "float32")


class RobustScaler:
    """(x - median) / IQR for the continuous columns, winsorised at +-5."""

    def __init__(self, n_cont):
        self.n_cont = n_cont

    def fit(self, x):
        c = x[:, :self.n_cont]
        self.med = np.median(c, 0)
        q75, q25 = np.percentile(c, [75, 25], axis=0)
        iqr = q75 - q25
        self.iqr = np.where(iqr > 1e-6, iqr, 1.0)
        return self

    def transform(self, x):
        x = x.copy()
        x[:, :self.n_cont] = np.clip((x[:, :self.n_cont] - self.med) / self.iqr, -5, 5)  # SAFE: IQR below 1e-6 was replaced by 1
        return x


def build_risk_net(n_features, hidden=(64, 64), drop=0.3, l2=1e-4):
    inp = keras.Input((n_features,))
    x = inp
    for h in hidden:
        x = layers.Dense(h, kernel_regularizer=regularizers.l2(l2))(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("selu")(x)
        x = layers.AlphaDropout(drop)(x)
    risk = layers.Dense(1, use_bias=False, name="log_risk")(x)
    return keras.Model(inp, risk)


class DeepSurv(keras.Model):
    def __init__(self, net, ties="breslow", **kw):
        super().__init__(**kw)
        self.net = net
        self.ties = ties
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def call(self, x, training=False):
        return self.net(x, training=training)

    def log_risk_set(self, risk):
        """log sum of exp(risk) over the rows before and at each row (sorted by falling time)."""
        return tf.math.cumulative_logsumexp(risk)  # SAFE: stable cumulative logsumexp

    def neg_log_likelihood(self, time, event, risk):
        order = tf.argsort(time, direction="DESCENDING")
        risk = tf.gather(tf.reshape(risk, [-1]), order)
        event = tf.gather(event, order)
        ll = (risk - self.log_risk_set(risk)) * event
        return -tf.reduce_sum(ll) / tf.reduce_sum(event)  # BUG: div-zero, with heavy censoring a mini-batch can hold no event, 0/0

    def train_step(self, data):
        x, (time, event) = data
        with tf.GradientTape() as tape:
            risk = self(x, training=True)
            loss = self.neg_log_likelihood(time, event, risk) + tf.add_n(self.net.losses)
        g = tape.gradient(loss, self.net.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.net.trainable_variables))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}

    @property
    def metrics(self):
        return [self.loss_tracker]


def concordance(time, event, risk):
    num = den = 0.0
    for i in np.flatnonzero(event > 0):
        later = time > time[i]
        den += later.sum()
        num += (risk[later] < risk[i]).sum() + 0.5 * (risk[later] == risk[i]).sum()
    return num / den if den > 0 else 0.5  # SAFE: guarded, evaluation only


class BaselineHazard:
    """Breslow estimate of the cumulative baseline hazard after training."""

    def fit(self, time, event, risk):
        order = np.argsort(-time)
        r = np.exp(np.clip(risk[order].astype("float64"), -30, 30))  # SAFE: clipped and float64
        at_risk = np.cumsum(r)
        step = event[order] / at_risk  # SAFE: a cumulative sum of exp of clipped values is positive
        self.t = time[order][::-1]
        self.h = np.cumsum(step[::-1])
        return self

    def survival(self, t, risk):
        k = np.searchsorted(self.t, t, side="right") - 1
        h0 = np.where(k >= 0, self.h[np.maximum(k, 0)], 0.0)
        return np.exp(-h0[None] * np.exp(np.clip(risk, -30, 30))[:, None])  # SAFE: inner exponent clipped, outer exponent not positive


class CIndex(keras.callbacks.Callback):
    def __init__(self, x, t, e):
        super().__init__()
        self.x, self.t, self.e = x, t, e

    def on_epoch_end(self, epoch, logs=None):
        logs = logs if logs is not None else {}
        logs["val_c"] = concordance(self.t, self.e, self.model.predict(self.x, verbose=0)[:, 0])


def batches(x, t, e, size):
    ds = tf.data.Dataset.from_tensor_slices((x, (t, e)))
    return ds.shuffle(len(t)).batch(size)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("valid")
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--epochs", type=int, default=100)
    a = ap.parse_args()
    xt, tt, et = read_table(a.train)
    xv, tv, ev = read_table(a.valid)
    sc = RobustScaler(len(CONTINUOUS)).fit(xt)
    xt, xv = sc.transform(xt), sc.transform(xv)
    m = DeepSurv(build_risk_net(xt.shape[1]))
    m.compile(optimizer=keras.optimizers.Nadam(a.lr, clipnorm=1.0))
    cb = CIndex(xv, tv, ev)
    hist = m.fit(batches(xt, tt, et, a.batch), epochs=a.epochs, callbacks=[cb])
    with open("history.json", "w") as f:
        json.dump({k: [float(v) for v in vs] for k, vs in hist.history.items()}, f)
    base = BaselineHazard().fit(tt, et, m.predict(xt)[:, 0])
    print(base.survival(np.array([12.0, 60.0, 120.0]), m.predict(xv)[:5, 0]))


if __name__ == "__main__":
    main()
