"""Neural Cox model with an auxiliary discrete-time hazard head."""
import argparse
import json

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def load_table(path):
    """npz with x [n, d], time [n] in days and event [n] in {0, 1}."""
    with np.load(path) as f:
        return (f["x"].astype(np.float32), f["time"].astype(np.float32), f["event"].astype(np.float32))


class Preprocessor:
    def __init__(self, x, time, n_bins):
        self.median = np.nanmedian(x, axis=0)
        filled = np.where(np.isnan(x), self.median, x)
        q75, q25 = np.percentile(filled, [75, 25], axis=0)
        iqr = q75 - q25
        self.iqr = np.where(iqr > 0, iqr, 1.0)
        self.edges = np.quantile(time, np.linspace(0, 1, n_bins + 1)[1:-1])

    def features(self, x):
        filled = np.where(np.isnan(x), self.median, x)
        z = (filled - self.median) / self.iqr  # SAFE: a zero range is replaced by 1
        return np.clip(z, -10.0, 10.0).astype(np.float32)

    def bins(self, time):
        return np.digitize(time, self.edges).astype(np.int32)


class SurvivalNet(tf.keras.Model):
    def __init__(self, n_bins, hidden=64, dropout=0.2):
        super().__init__()
        self.body = tf.keras.Sequential([
            layers.Dense(hidden, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(hidden, activation="relu"),
        ])
        self.risk = layers.Dense(1, use_bias=False)
        self.hazard = layers.Dense(n_bins, activation="sigmoid")

    def call(self, x, training=False):
        h = self.body(x, training=training)
        return tf.squeeze(self.risk(h), -1), self.hazard(h)


def cox_loss(risk, time, event):
    order = tf.argsort(time, direction="DESCENDING")
    r = tf.gather(risk, order)
    e = tf.gather(event, order)
    log_cum = tf.math.log(tf.cumsum(tf.exp(r)))  # BUG: exp-overflow, the linear risk score is not bounded and exp overflows above 88
    return -tf.reduce_sum((r - log_cum) * e) / tf.reduce_sum(e)  # BUG: div-zero, a batch can hold only censored subjects


def ranking_loss(risk, time, event, sigma=1.0):
    """Smooth concordance: comparable pairs only."""
    earlier = tf.cast(time[:, None] < time[None, :], tf.float32) * event[:, None]
    diff = (risk[:, None] - risk[None, :]) / sigma  # SAFE: sigma is the default 1.0
    cost = tf.nn.softplus(-diff)  # SAFE: softplus is stable for any argument
    return tf.reduce_sum(cost * earlier) / tf.maximum(tf.reduce_sum(earlier), 1.0)  # SAFE: pair count floored at 1


def hazard_loss(hazard, bin_index, event):
    n_bins = hazard.shape[-1]
    h = tf.clip_by_value(hazard, 1e-6, 1.0 - 1e-6)
    survived = tf.sequence_mask(bin_index, n_bins, dtype=tf.float32)
    at_bin = tf.one_hot(bin_index, n_bins)
    ll = survived * tf.math.log(1.0 - h)  # SAFE: h is at most 1 - 1e-6, which float32 can hold
    ll += at_bin * event[:, None] * tf.math.log(h)  # SAFE: h is at least 1e-6
    ll += at_bin * (1.0 - event[:, None]) * tf.math.log1p(-h)  # SAFE: -h stays above -1
    return -tf.reduce_mean(tf.reduce_sum(ll, axis=-1))


class Trainer:
    def __init__(self, n_bins, lr, rank_weight=0.1, hazard_weight=0.5, l2=1e-4):
        self.model = SurvivalNet(n_bins)
        self.opt = tf.keras.optimizers.AdamW(lr, weight_decay=l2)
        self.rank_weight = rank_weight
        self.hazard_weight = hazard_weight

    @tf.function(reduce_retracing=True)
    def step(self, x, time, event, bin_index):
        with tf.GradientTape() as tape:
            risk, hazard = self.model(x, training=True)
            cox = cox_loss(risk, time, event)
            loss = cox + self.rank_weight * ranking_loss(risk, time, event)
            loss += self.hazard_weight * hazard_loss(hazard, bin_index, event)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, cox


def concordance(risk, time, event):
    num = den = 0.0
    for i in np.flatnonzero(event):
        later = time > time[i]
        den += later.sum()
        num += (risk[later] < risk[i]).sum() + 0.5 * (risk[later] == risk[i]).sum()
    return num / den if den > 0 else 0.5  # SAFE: conditional on den


def survival_curve(hazard):
    return np.exp(np.cumsum(np.log1p(-np.minimum(hazard, 1.0 - 1e-6)), axis=1))  # SAFE: hazards capped below 1, exponent not positive


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="data/cohort.npz")
    p.add_argument("--bins", type=int, default=12)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=80)
    p.add_argument("--lr", type=float, default=1e-3)
    args = p.parse_args()
    x, time, event = load_table(args.data)
    perm = np.random.default_rng(0).permutation(len(x))
    cut = int(0.8 * len(x))
    tr, va = perm[:cut], perm[cut:]
    prep = Preprocessor(x[tr], time[tr], args.bins)
    ds = tf.data.Dataset.from_tensor_slices(
        (prep.features(x[tr]), time[tr], event[tr], prep.bins(time[tr])))
    ds = ds.shuffle(cut).batch(args.batch_size, drop_remainder=True)
    trainer = Trainer(args.bins, args.lr)
    history = []
    for epoch in range(args.epochs):
        losses = [float(trainer.step(*batch)[0]) for batch in ds]
        risk, hazard = trainer.model(prep.features(x[va]))
        c = concordance(risk.numpy(), time[va], event[va])
        history.append({"epoch": epoch, "loss": float(np.mean(losses)), "c": c,
                        "median_s": float(np.median(survival_curve(hazard.numpy())[:, -1]))})
        print(history[-1])
    with open("history.json", "w") as f:
        json.dump(history, f)


if __name__ == "__main__":
    main()
