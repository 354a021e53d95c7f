import argparse

import keras
import numpy as np
import tensorflow as tf

from likelihoods import NegativeBinomial, masked_nll, quantile_loss
from network import DeepAR
from timeseries import WindowSampler, read_sales


def make_step(model, opt, context):
    @tf.function
    def step(z, cov, scale):
        burn = tf.cast(tf.range(tf.shape(z)[1]) >= 1, tf.float32)[None] * tf.ones_like(z)
        with tf.GradientTape() as tape:
            p = model((z, cov, scale), training=True)
            loss = masked_nll(model.likelihood.log_prob(z, *p), burn)
        grads = tape.gradient(loss, model.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, 10.0)  # SAFE: global_norm of zero gradients divides by the maximum of norm and 10
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss, norm
    return step


def backtest(model, sampler, horizon, n=4):
    scores = []
    for _ in range(n):
        z, cov, scale = sampler.batch(16)
        s = model.forecast(z, cov, scale, sampler.context, horizon).numpy()
        truth = tf.constant(z[:, sampler.context:])
        scores.append([float(quantile_loss(truth, tf.constant(np.quantile(s, q, axis=1).astype(np.float32)), q))
                       for q in (0.5, 0.9)])
    return np.mean(scores, 0)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--sales", default="sales.csv")
    ap.add_argument("--context", type=int, default=56)
    ap.add_argument("--horizon", type=int, default=14)
    ap.add_argument("--steps", type=int, default=10000)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    series = read_sales(a.sales)
    sampler = WindowSampler(series, a.context, a.horizon)
    held = WindowSampler(series, a.context, a.horizon, seed=99)
    model = DeepAR(NegativeBinomial)
    opt = keras.optimizers.Adam(a.lr)
    step = make_step(model, opt, a.context)
    smooth = None
    for i in range(a.steps):
        loss, norm = step(*[tf.constant(v) for v in sampler.batch(a.batch)])
        smooth = float(loss) if smooth is None else 0.99 * smooth + 0.01 * float(loss)
        if i % 100 == 0:
            print(f"step {i} nll {smooth:.4f} |g| {float(norm):.3f}", flush=True)
        if i % 1000 == 999:
            p50, p90 = backtest(model, held, a.horizon)
            print(f"  P50 {p50:.3f} P90 {p90:.3f}")
            model.save_weights("deepar.weights.h5")


if __name__ == "__main__":
    main()
