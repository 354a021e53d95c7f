import argparse
import math

import keras
import numpy as np
import tensorflow as tf

import preprocessing as pp
from flow import RealNVP

NU = 5.0


def bits_per_dim(nll, dim):
    return nll / (dim * math.log(2.0))  # SAFE: dim is the number of columns


def train_step(model, opt, x, squeeze):
    y, ld0 = pp.to_logit_squeezed(x) if squeeze else pp.to_logit(x)
    with tf.GradientTape() as tape:
        z, ld = model(y)
        nll = -tf.reduce_mean(model.base_log_prob(z, NU) + ld + ld0)
    grads = tape.gradient(nll, model.trainable_variables)
    grads, norm = tf.clip_by_global_norm(grads, 10.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return float(nll), float(norm)


def evaluate(model, x, squeeze, size):
    out = []
    for i in range(0, len(x), size):
        y, ld0 = pp.to_logit_squeezed(x[i:i + size]) if squeeze else pp.to_logit(x[i:i + size])
        z, ld = model(y)
        out.append((model.base_log_prob(z, NU) + ld + ld0).numpy())
    return -float(np.concatenate(out).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="intensities.npz")
    ap.add_argument("--depth", type=int, default=8)
    ap.add_argument("--hidden", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--squeeze", action="store_true", help="shrink to [alpha, 1 - alpha] before the logit")
    args = ap.parse_args()
    train, valid = pp.split(pp.load(args.data))
    model = RealNVP(train.shape[1], args.depth, args.hidden)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(args.lr, args.epochs * max(len(train) // args.batch, 1)))
    rng = np.random.default_rng(0)
    for epoch in range(args.epochs):
        order, total, n = rng.permutation(len(train)), 0.0, 0
        for i in range(0, len(order), args.batch):
            nll, norm = train_step(model, opt, tf.constant(train[order[i:i + args.batch]]), args.squeeze)
            total, n = total + nll, n + 1
        v = evaluate(model, valid, args.squeeze, args.batch)
        print(f"epoch {epoch} train {bits_per_dim(total / n, train.shape[1]):.3f} "  # SAFE: the loop ran at least once, split keeps rows for training
              f"valid {bits_per_dim(v, train.shape[1]):.3f} bpd |g| {norm:.2f}")
        if epoch % 10 == 9:
            np.save(f"samples_{epoch}.npy", pp.from_logit(model.sample(64, 0.9)).numpy())
            model.save_weights("realnvp.weights.h5")


if __name__ == "__main__":
    main()
