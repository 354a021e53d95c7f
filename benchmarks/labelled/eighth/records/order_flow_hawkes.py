"""Neural Hawkes-type model of limit order book events.

Input: one .npz for each trading day with `times` (seconds, sorted) and `types` (0..K-1).
The intensity of each type is a decaying mix of an LSTM state; the compensator is a Monte Carlo integral.
"""
import argparse
import glob
import logging
import os
from typing import Iterator, Tuple

import numpy as np
import tensorflow as tf
from tensorflow import keras

LOG = logging.getLogger("hawkes")
FLOOR = 1e-6
EVENTS = ["limit_bid", "limit_ask", "cancel_bid", "cancel_ask", "trade_buy", "trade_sell"]


def load_day(path: str, length: int) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    with np.load(path) as z:
        times, types = z["times"].astype(np.float64), z["types"].astype(np.int32)
    gaps = np.diff(times, prepend=times[:1])
    gaps = np.clip(gaps, 0.0, 30.0)
    for i in range(0, len(times) - length, length):
        yield gaps[i:i + length].astype(np.float32), types[i:i + length]


def dataset(pattern: str, length: int, batch: int, train: bool) -> tf.data.Dataset:
    files = sorted(glob.glob(pattern))
    if not files:
        raise FileNotFoundError(pattern)

    def generate():
        for f in files:
            yield from load_day(f, length)

    spec = (tf.TensorSpec((length,), tf.float32), tf.TensorSpec((length,), tf.int32))
    ds = tf.data.Dataset.from_generator(generate, output_signature=spec)
    if train:
        ds = ds.shuffle(4096)
    return ds.batch(batch, drop_remainder=True).prefetch(2)


class IntensityModel(keras.Model):
    def __init__(self, n_types, units, embed, samples):
        super().__init__()
        self.n_types, self.samples = n_types, samples
        self.embed = keras.layers.Embedding(n_types, embed)
        self.rnn = keras.layers.LSTM(units, return_sequences=True)
        self.level = keras.layers.Dense(n_types)
        self.jump = keras.layers.Dense(n_types)
        self.decay = keras.layers.Dense(n_types)

    def states(self, gaps, types):
        feats = tf.concat([self.embed(types), tf.math.log1p(gaps)[..., None]], axis=-1)  # SAFE: gaps are clipped at zero from below
        h = self.rnn(feats)
        return self.level(h), self.jump(h), tf.nn.softplus(self.decay(h)) + 0.01

    def intensity(self, params, dt):
        level, jump, decay = params
        fade = tf.exp(-decay * dt)  # SAFE: decay and dt are not negative
        return tf.nn.softplus(level + jump * fade) + FLOOR

    def call(self, batch):
        gaps, types = batch
        params = self.states(gaps[:, :-1], types[:, :-1])
        dt = gaps[:, 1:, None]
        lam = self.intensity(params, dt)
        hot = tf.one_hot(types[:, 1:], self.n_types)
        observed = tf.reduce_sum(lam * hot, axis=-1)
        log_lik = tf.math.log(observed)  # SAFE: every intensity is a softplus plus FLOOR
        u = tf.random.uniform(tf.concat([[self.samples], tf.shape(dt)], 0))
        grid = self.intensity([p[None] for p in params], u * dt[None])
        integral = tf.reduce_mean(tf.reduce_sum(grid, -1), 0) * gaps[:, 1:]
        return log_lik - integral

    def type_probabilities(self, batch):
        gaps, types = batch
        lam = self.intensity(self.states(gaps[:, :-1], types[:, :-1]), gaps[:, 1:, None])
        total = tf.reduce_sum(lam, axis=-1, keepdims=True)
        return tf.math.divide_no_nan(lam, total)  # SAFE: divide_no_nan, evaluation only


@tf.function
def train_step(model, optimizer, batch):
    with tf.GradientTape() as tape:
        ll = model(batch)
        loss = -tf.reduce_mean(ll)
    variables = model.trainable_variables
    grads, norm = tf.clip_by_global_norm(tape.gradient(loss, variables), 1.0)
    optimizer.apply_gradients(zip(grads, variables))
    return loss, norm


def evaluate(model, ds):
    hits, n, surprise = 0, 0, 0.0
    for batch in ds:
        p = model.type_probabilities(batch)
        y = batch[1][:, 1:]
        hits += int(tf.reduce_sum(tf.cast(tf.argmax(p, -1, output_type=tf.int32) == y, tf.int32)))
        py = tf.gather(p, y, batch_dims=2)
        surprise -= float(tf.reduce_sum(tf.math.log(tf.maximum(py, 1e-9))))  # SAFE: floored
        n += int(tf.size(y))
    return hits / max(n, 1), surprise / max(n, 1)  # SAFE: max with one


def rates(pattern):
    """Empirical events per second, to compare with the fitted base level."""
    total, counts = 0.0, np.zeros(len(EVENTS))
    for f in sorted(glob.glob(pattern)):
        with np.load(f) as z:
            if len(z["times"]) < 2:
                continue
            total += float(z["times"][-1] - z["times"][0])
            counts += np.bincount(z["types"], minlength=len(EVENTS))
    return counts / max(total, 1.0)  # SAFE: at least one second


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="lob/train/*.npz")
    ap.add_argument("--test", default="lob/test/*.npz")
    ap.add_argument("--length", type=int, default=128)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--units", type=int, default=64)
    ap.add_argument("--samples", type=int, default=10)
    ap.add_argument("--epochs", type=int, default=15)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--ckpt", default="ckpt_hawkes")
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    for name, r in zip(EVENTS, rates(args.train)):
        LOG.info("%-12s %.3f /s, mean gap %.2f s", name, r, 1.0 / r if r else float("inf"))  # SAFE: conditional on r
    train = dataset(args.train, args.length, args.batch, True)
    test = dataset(args.test, args.length, args.batch, False)
    model = IntensityModel(len(EVENTS), args.units, 16, args.samples)
    decay = keras.optimizers.schedules.ExponentialDecay(args.lr, 2000, 0.9)
    optimizer = keras.optimizers.Adam(decay)  # SAFE: 1e-3 and falling
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model, optimizer=optimizer), args.ckpt, 3)
    if manager.latest_checkpoint:
        manager.checkpoint.restore(manager.latest_checkpoint)
    for epoch in range(args.epochs):
        mean = keras.metrics.Mean()
        for batch in train:
            loss, _ = train_step(model, optimizer, batch)
            mean.update_state(loss)
        acc, nats = evaluate(model, test)
        LOG.info("epoch %d loss %.4f accuracy %.3f nats %.3f", epoch, float(mean.result()), acc, nats)
        manager.save()
    os.makedirs("out", exist_ok=True)
    model.save_weights("out/hawkes.weights.h5")


if __name__ == "__main__":
    main()
