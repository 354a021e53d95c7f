"""DeepSurv style Cox net and a discrete-time (logistic hazard) net, METABRIC."""
import argparse
import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow.keras as tfk
from sklearn.preprocessing import StandardScaler


def cox_ph_loss(risk, time, event):
    """naive partial likelihood, Breslow, sorted here"""
    order = tf.argsort(time, direction="DESCENDING")
    risk = tf.gather(risk, order)
    event = tf.gather(event, order)
    hazard = tf.exp(risk)  # BUG: exp-overflow, risk is the free linear output; an outlier patient with 89 gives inf, inf - inf gradients
    logcum = tf.math.log(tf.cumsum(hazard))  # BUG: log-zero, a first risk below -104 has hazard 0 (label added after the run, the tool found it)
    ll = (risk - logcum) * event
    return -tf.reduce_sum(ll) / tf.reduce_sum(event)  # BUG: div-zero, small batch with only censored patients, 0/0


def cox_stable(risk, time, event):
    order = tf.argsort(time, direction="DESCENDING")
    risk, event = tf.gather(risk, order), tf.gather(event, order)
    logcum = tf.math.cumulative_logsumexp(risk)  # SAFE: fused
    n = tf.maximum(tf.reduce_sum(event), 1.0)
    return -tf.reduce_sum((risk - logcum) * event) / n  # SAFE: maximum(count, 1)


class NegLogLik(tfk.losses.Loss):
    """discrete hazards, y = (index, event) one row each"""

    def __init__(self, n_bins, logits=True, **kw):
        super().__init__(**kw)
        self.n_bins = n_bins
        self.logits = logits
        self.eps = tfk.backend.epsilon()

    def call(self, y_true, y_pred):
        idx = tf.cast(y_true[:, 0], tf.int32)
        ev = tf.cast(y_true[:, 1], tf.float32)
        target = tf.one_hot(idx, self.n_bins) * ev[:, None]
        mask = tf.sequence_mask(idx + 1, self.n_bins, dtype=tf.float32)
        if self.logits:
            bce = tf.nn.sigmoid_cross_entropy_with_logits(target, y_pred)  # SAFE: fused on the linear head
        else:
            h = tf.clip_by_value(y_pred, self.eps, 1 - self.eps)
            bce = -(target * tf.math.log(h) + (1 - target) * tf.math.log(1 - h))  # SAFE: clipped with backend epsilon 1e-7
        return tf.reduce_sum(bce * mask, axis=1)


class WeibullLoss(tfk.losses.Loss):
    def call(self, y_true, y_pred):
        t = tf.maximum(y_true[:, 0], 1e-3)
        e = y_true[:, 1]
        a = tf.nn.softplus(y_pred[:, 0]) + 1e-4
        b = tf.nn.softplus(y_pred[:, 1]) + 1e-4
        r = t / a  # SAFE: softplus + 1e-4
        hz = tf.math.log(b) - tf.math.log(a) + (b - 1) * tf.math.log(r)  # SAFE: a, b floored and t >= 1e-3
        return -(e * hz - tf.pow(tf.clip_by_value(r, 1e-6, 1e3), tf.minimum(b, 8.0)))  # SAFE: base and power both bounded, 1e24 at most


class Net(tfk.Model):
    def __init__(self, out, act=None, drop=0.3):
        super().__init__()
        self.hidden = [tfk.layers.Dense(32, activation="selu", kernel_initializer="lecun_normal") for _ in range(2)]
        self.drop = tfk.layers.AlphaDropout(drop)
        self.head = tfk.layers.Dense(out, activation=act)

    def call(self, x, training=False):
        for h in self.hidden:
            x = self.drop(h(x), training=training)
        return self.head(x)


def concordance(t, e, r):
    num = den = 0
    for i in np.where(e == 1)[0]:
        later = t > t[i]
        den += later.sum()
        num += (r[i] > r[later]).sum() + 0.5 * (r[i] == r[later]).sum()
    return num / den  # SAFE: evaluation on the test set, plain numpy


def survival_curve(h):
    return np.exp(np.cumsum(np.log(1 - h + 1e-7), axis=1))  # SAFE: after training, cumulated logs are negative


class CoxTrainer:
    def __init__(self, loss_fn, lr, batch):
        self.loss_fn = loss_fn
        self.batch = batch
        self.net = Net(1)
        self.opt = tfk.optimizers.legacy.Adam(lr)

    def fit(self, x, t, e, epochs):
        ds = tf.data.Dataset.from_tensor_slices((x, t, e)).shuffle(len(x)).batch(self.batch)
        for ep in range(epochs):
            tot = 0.0
            for xb, tb, eb in ds:
                with tf.GradientTape() as tape:
                    r = tf.squeeze(self.net(xb, training=True), -1)
                    loss = self.loss_fn(r, tb, eb)
                g = tape.gradient(loss, self.net.trainable_weights)
                self.opt.apply_gradients(zip(g, self.net.trainable_weights))
                tot += float(loss)
            print(ep, tot)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--csv", default="metabric.csv")
    p.add_argument("--bins", type=int, default=20)
    p.add_argument("--batch", type=int, default=16)
    a = p.parse_args()
    df = pd.read_csv(a.csv)
    t = df["duration"].values.astype("float32")
    e = df["event"].values.astype("float32")
    x = StandardScaler().fit_transform(df.drop(columns=["duration", "event"])).astype("float32")
    for f in (cox_ph_loss, cox_stable):
        tr = CoxTrainer(f, 1e-3, a.batch)
        tr.fit(x, t, e, 20)
        print(f.__name__, concordance(t, e, tr.net.predict(x)[:, 0]))
    edges = np.quantile(t, np.linspace(0, 1, a.bins + 1))[1:-1]
    y = np.stack([np.digitize(t, edges), e], 1)
    for logits in (True, False):
        n = Net(a.bins, act=None if logits else "sigmoid")
        n.compile(optimizer="adam", loss=NegLogLik(a.bins, logits))  # SAFE: head activation and loss switch together
        n.fit(x, y, epochs=20, batch_size=128)
    print(survival_curve(n.predict(x[:3])))
    w = Net(2)
    w.compile(optimizer="adam", loss=WeibullLoss())  # SAFE: linear head, softplus in the loss
    w.fit(x, np.stack([t / t.max(), e], 1), epochs=20)  # SAFE: longest time is positive


if __name__ == "__main__":
    main()
