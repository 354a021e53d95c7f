import argparse
import json

import numpy as np
import tensorflow as tf

from losses import LOSSES, mase
from net import Forecaster
from series import ChannelScaler, load_series, windows
from settings import SETTINGS


def prepare(raw, cfg):
    cut = int(cfg["train_fraction"] * len(raw))
    target = raw[:, cfg["channels"].index(cfg["target"])]
    scaler = ChannelScaler().fit(raw[:cut])
    x = scaler.transform(raw)
    args = cfg["history"], cfg["horizon"], cfg["batch_size"]
    train = windows(x[:cut], target[:cut], *args, shuffle=True)
    valid = windows(x[cut:], target[cut:], *args, shuffle=False)
    naive = np.mean(np.abs(target[24:cut] - target[:cut - 24]))
    return train, valid, naive


class Runner:
    def __init__(self, cfg):
        self.cfg = cfg
        self.model = Forecaster(cfg["horizon"], cfg["revin_eps"])
        self.loss = LOSSES[cfg["loss"]]
        self.opt = tf.keras.optimizers.Adam(cfg["lr"], clipvalue=0.5)

    @tf.function
    def step(self, x, y):
        with tf.GradientTape() as tape:
            loss = self.loss(y, self.model(x, training=True))
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss

    def evaluate(self, ds, naive):
        scores = [float(mase(y, self.model(x), tf.constant(naive, tf.float32))) for x, y in ds]
        return sum(scores) / max(len(scores), 1)  # SAFE: at least 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--csv", default="data/grid.csv")
    p.add_argument("--loss", choices=sorted(LOSSES), default=SETTINGS["loss"])
    p.add_argument("--log", default="history.jsonl")
    args = p.parse_args()
    cfg = dict(SETTINGS, loss=args.loss)
    train, valid, naive = prepare(load_series(args.csv, cfg["channels"]), cfg)
    runner = Runner(cfg)
    with open(args.log, "w") as log:
        for epoch in range(cfg["epochs"]):
            losses = [float(runner.step(x, y)) for x, y in train]
            row = {"epoch": epoch, "loss": float(np.mean(losses)), "mase": runner.evaluate(valid, naive)}
            log.write(json.dumps(row) + "\n")
            print(row)


if __name__ == "__main__":
    main()
