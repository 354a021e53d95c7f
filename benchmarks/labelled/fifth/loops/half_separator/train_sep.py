import argparse
import glob
import os

import numpy as np
import tensorflow as tf

import hyper
from objective import pit, si_sdr, snr_mix
from tasnet import Separator


def read_wav(path):
    wav, _ = tf.audio.decode_wav(tf.io.read_file(path), 1)
    return wav[:, 0].numpy()


def crop(wav, n, rng):
    if len(wav) < n:
        return np.pad(wav, (0, n - len(wav)))
    k = rng.integers(0, len(wav) - n + 1)
    return wav[k:k + n]


def batches(speakers, n, size, rng):
    names = list(speakers)
    while True:
        a, b = [], []
        for _ in range(size):
            i, j = rng.choice(len(names), 2, replace=False)
            a.append(crop(read_wav(rng.choice(speakers[names[i]])), n, rng))
            b.append(crop(read_wav(rng.choice(speakers[names[j]])), n, rng))
        yield np.array(a, "f4"), np.array(b, "f4")


class Fit:
    def __init__(self, model, lr):
        self.m = model
        self.opt = tf.keras.optimizers.Adam(lr)
        self.scale = hyper.LOSS_SCALE

    @tf.function
    def step(self, a, b):
        a, b = snr_mix(a, b, tf.random.uniform([tf.shape(a)[0], 1], -5.0, 5.0))
        mix = a + b
        peak = tf.maximum(tf.reduce_max(tf.abs(mix), -1, keepdims=True), 1.0)
        mix, ref = mix / peak, tf.stack([a / peak, b / peak], 1)  # SAFE: peak is at least 1
        with tf.GradientTape() as tape:
            loss = pit(ref, self.m(mix))
            scaled = loss * self.scale  # MAYBE: float32 product, finite itself; the overflow comes in the backward pass
        v = self.m.trainable_variables
        g = [x / self.scale for x in tape.gradient(scaled, v)]  # BUG: half, the fixed loss scale of 1024 on a loss in dB overflows the float16 gradients, and no step is skipped
        g, norm = tf.clip_by_global_norm(g, 5.0)
        self.opt.apply_gradients(zip(g, v))
        return loss, norm


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="wsj0")
    p.add_argument("--seconds", type=float, default=2.0)
    p.add_argument("--steps", type=int, default=50000)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--out", default="sep")
    a = p.parse_args()
    speakers = {d: glob.glob(os.path.join(a.root, d, "*.wav")) for d in os.listdir(a.root)}
    speakers = {k: v for k, v in speakers.items() if v}
    fit = Fit(Separator(), 5e-4)
    data = batches(speakers, int(a.seconds * hyper.SAMPLE_RATE), a.batch, np.random.default_rng(0))
    for t in range(a.steps):
        x, y = next(data)
        l, g = fit.step(tf.constant(x), tf.constant(y))
        if t % 100 == 0:
            base = tf.reduce_mean(si_sdr(tf.constant(x), tf.constant(x + y)))
            print(t, "loss %.3f |g| %.3f mixture %.2f dB" % (float(l), float(g), float(base)))
    tf.train.Checkpoint(m=fit.m).write(os.path.join(a.out, "final"))


if __name__ == "__main__":
    main()
