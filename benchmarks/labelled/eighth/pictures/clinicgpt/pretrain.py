"""Pretraining on de-identified visit sequences; records are left padded so the last token is the visit."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf

from blocks import Decoder
from hparams import HP


def sequences(path, hp):
    """One visit history per line, space separated codes."""
    with open(path) as fh:
        for line in fh:
            ids = [int(t) for t in line.split()][-hp.ctx:]
            if len(ids) < 3:
                continue
            ids = [hp.bos] + ids
            ids = ids[-(hp.ctx + 1):]
            yield np.array([hp.pad] * (hp.ctx + 1 - len(ids)) + ids, np.int32)


def dataset(path, hp, train):
    ds = tf.data.Dataset.from_generator(lambda: sequences(path, hp), output_signature=tf.TensorSpec([hp.ctx + 1], tf.int32))
    if train:
        ds = ds.shuffle(20000).repeat()
    return ds.batch(hp.batch, drop_remainder=train).prefetch(4)


class Schedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, hp):
        self.hp = hp

    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        up = s / self.hp.warm  # SAFE: warm-up is a positive constant
        frac = tf.clip_by_value((s - self.hp.warm) / (self.hp.steps - self.hp.warm), 0.0, 1.0)  # SAFE: steps exceed the warm-up in the settings
        return self.hp.peak_lr * tf.minimum(up, 0.1 + 0.45 * (1.0 + tf.cos(math.pi * frac)))


def masked_xent(target, logits, pad, z=1e-4):
    w = tf.cast(target != pad, tf.float32)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits)  # SAFE: float32 logits of the head layer
    lz = tf.reduce_logsumexp(logits, -1)  # SAFE: stabilised logsumexp in float32
    n = tf.maximum(tf.reduce_sum(w), 1.0)
    return tf.reduce_sum((ce + z * lz * lz) * w) / n, tf.reduce_sum(ce * w) / n  # SAFE: token count floored at one


def evaluate(net, ds, hp):
    tot = cnt = 0.0
    for b in ds:
        ce = masked_xent(b[:, 1:], net(b[:, :-1]), hp.pad)[1]
        k = float(tf.reduce_sum(tf.cast(b[:, 1:] != hp.pad, tf.float32)))
        tot += float(ce) * k
        cnt += k
    return math.exp(min(tot / max(cnt, 1.0), 50.0))  # SAFE: exponent capped and count floored


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("valid")
    ap.add_argument("--out", default="ckpt_clinic")
    ap.add_argument("--every", type=int, default=500)
    a = ap.parse_args()
    hp = HP()
    tf.keras.mixed_precision.set_global_policy(hp.policy)
    net = Decoder(hp)
    net(tf.zeros([1, hp.ctx], tf.int32) + hp.bos)
    opt = tf.keras.optimizers.LossScaleOptimizer(
        tf.keras.optimizers.AdamW(Schedule(hp), weight_decay=0.1, beta_2=0.95, global_clipnorm=1.0))  # SAFE: default epsilon on float32 variables
    opt.build(net.trainable_variables)

    @tf.function
    def step(b):
        with tf.GradientTape() as tape:
            loss, ce = masked_xent(b[:, 1:], net(b[:, :-1], training=True), hp.pad)
            scaled = opt.scale_loss(loss)
        opt.apply(tape.gradient(scaled, net.trainable_variables), net.trainable_variables)  # SAFE: scaled loss matches the LossScaleOptimizer
        return ce

    va = dataset(a.valid, hp, False)
    for i, b in enumerate(dataset(a.train, hp, True).take(hp.steps), 1):
        ce = step(b)
        if i % a.every == 0:
            print(f"{i} train ce {float(ce):.4f} valid ppl {evaluate(net, va, hp):.2f}", flush=True)
            net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
