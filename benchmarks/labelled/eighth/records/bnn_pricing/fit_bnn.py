import argparse
import json
import os

import numpy as np
import tensorflow as tf

from bayes_layers import PriceNet, gaussian_nll
from listings import Standard, read


def predictive(model, x, samples):
    draws = [model(tf.constant(x)) for _ in range(samples)]
    means = np.stack([m.numpy() for m, _ in draws])
    stds = np.stack([s.numpy() for _, s in draws])
    total = np.sqrt(means.var(0) + (stds ** 2).mean(0))  # SAFE: a sum of variances, evaluated in numpy
    return means.mean(0), total


def coverage(y, mean, std, width):
    return float((np.abs(y - mean) <= width * std).mean())


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("test")
    ap.add_argument("--config", default=os.path.join(here, "config.json"))
    args = ap.parse_args()
    with open(args.config) as fh:
        cfg = json.load(fh)
    tf.keras.utils.set_random_seed(12)
    x, y = read(args.train, cfg["features"], cfg["target"])
    xt, yt = read(args.test, cfg["features"], cfg["target"])
    sx, sy = Standard(x), Standard(y)
    n = len(x)
    ds = tf.data.Dataset.from_tensor_slices((sx(x), sy(y))).shuffle(n).batch(cfg["batch_size"])
    model = PriceNet(cfg)
    opt = tf.keras.optimizers.Adam(cfg["learning_rate"])  # SAFE: 0.002 in the configuration

    @tf.function
    def step(bx, by, weight):
        with tf.GradientTape() as tape:
            nll = tf.reduce_mean(gaussian_nll(by, *model(bx)))
            loss = nll + weight * model.kl() / n  # SAFE: n is the number of training rows
        tv = model.trainable_variables
        grads, _ = tf.clip_by_global_norm(tape.gradient(loss, tv), 10.0)
        opt.apply_gradients(zip(grads, tv))
        return loss, nll

    for epoch in range(cfg["epochs"]):
        weight = min(1.0, (epoch + 1) / cfg["kl_warmup_epochs"])  # SAFE: ten epochs in the configuration
        stats = [[float(v) for v in step(bx, by, tf.constant(weight, tf.float32))] for bx, by in ds]
        if epoch % 10 == 9:
            mean, std = predictive(model, sx(xt), cfg["mc_samples"])
            rmse = float(np.sqrt(((sy.back(mean) - yt) ** 2).mean()))
            print("epoch %d loss %.4f nll %.4f log-rmse %.4f cover90 %.3f" % (
                (epoch + 1,) + tuple(np.mean(stats, 0)) + (rmse, coverage(sy(yt), mean, std, 1.645))))
    model.save_weights("pricing.weights.h5")


if __name__ == "__main__":
    main()
