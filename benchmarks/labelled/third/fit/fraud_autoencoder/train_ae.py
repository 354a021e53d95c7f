import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from frame import Standardizer, Table, read_csv
from nets import ProbAutoencoder, ScoreCalibrator


class WarmRestarts(keras.callbacks.Callback):
    def __init__(self, base, period):
        super().__init__()
        self.base, self.period = base, max(int(period), 1)

    def on_epoch_begin(self, epoch, logs=None):
        phase = (epoch % self.period) / self.period  # SAFE: period at least 1
        self.model.optimizer.learning_rate.assign(self.base * (0.05 + 0.475 * (1 + np.cos(np.pi * phase))))


def average_precision(y, s):
    order = np.argsort(-s)
    hit = y[order] > 0
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)  # SAFE: ranks start at 1
    return float((precision * hit).sum() / max(hit.sum(), 1))  # SAFE: at least 1


def matthews(tp, fp, fn, tn):
    d = np.sqrt(float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))  # SAFE: counts are not negative, numpy
    return (tp * tn - fp * fn) / d if d > 0 else 0.0  # SAFE: divides only by a positive number


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv", nargs="?", default="creditcard.csv")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--out", default="fraud_ae")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    t = Table(*read_csv(a.csv))
    cut = int(0.7 * len(t.y))
    normal = t.x[:cut][t.y[:cut] == 0]
    std = Standardizer().fit(normal)
    std.save(os.path.join(a.out, "stats.json"))
    x = std(normal)
    model = ProbAutoencoder(x.shape[1])
    model.compile(optimizer=keras.optimizers.Adam(a.lr, clipnorm=1.0))  # SAFE: 1e-3 with clipped gradients on standardised features
    model.fit(x, batch_size=512, epochs=a.epochs, validation_split=0.1,
              callbacks=[WarmRestarts(a.lr, 10), keras.callbacks.EarlyStopping(patience=11)])
    rest = std(t.x[cut:])
    s, y = model.score(tf.constant(rest)).numpy(), t.y[cut:]
    half = len(y) // 2
    prob = ScoreCalibrator().fit(s[:half], y[:half])(s[half:])
    q = prob > 0.5
    y = y[half:] > 0
    print("AP", average_precision(y, prob), "MCC", matthews((q & y).sum(), (q & ~y).sum(), (~q & y).sum(), (~q & ~y).sum()))


if __name__ == "__main__":
    main()
