import argparse

import numpy as np
import tensorflow as tf

import cfg as config
from net import GridDetector
from objective import aspect_gap, detection_loss, iou
from shapes import batch


def make_step(cfg, model, opt):
    @tf.function
    def step(x, t):
        with tf.GradientTape() as tape:
            out = model(x, training=True)
            loss = detection_loss(cfg, out, t)
        v = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss
    return step


def evaluate(cfg, model, rng, rounds=5):
    ious, gaps = [], []
    for _ in range(rounds):
        x, t = batch(cfg, rng)
        xy, wh, conf, _ = model(x)
        best = tf.one_hot(tf.argmax(conf, -1), cfg.boxes)
        score = tf.reduce_sum(best * iou(xy, wh, t[..., None, 0:2], t[..., None, 2:4], cfg.grid), -1)
        gap = tf.reduce_sum(best * aspect_gap(wh, t[..., None, 2:4]), -1)
        mask = t[..., 4] > 0
        ious.extend(score.numpy()[mask])
        gaps.extend(gap.numpy()[mask])
    if not ious:
        return 0.0, 0.0
    return float(np.mean(ious)), float(np.mean(gaps))  # SAFE: empty lists return above


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--config")
    a = ap.parse_args()
    cfg = config.load(a.config)
    rng = np.random.default_rng(0)
    model = GridDetector(cfg)
    schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([cfg.steps // 2], [cfg.lr, cfg.lr / 10])
    step = make_step(cfg, model, tf.keras.optimizers.Adam(schedule))
    for i in range(cfg.steps):
        x, t = batch(cfg, rng)
        loss = step(tf.constant(x), tf.constant(t))
        if i % 100 == 0:
            print(i, float(loss), evaluate(cfg, model, rng))
    model.save_weights("grid.weights.h5")


if __name__ == "__main__":
    main()
