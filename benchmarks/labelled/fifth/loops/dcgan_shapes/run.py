import argparse
import os

import numpy as np
import tensorflow as tf

from adversary import Adversary
from nets import discriminator, generator
from settings import Settings


def shapes(n, size, rng):
    """Synthetic discs and squares in [-1, 1]."""
    yy, xx = np.mgrid[:size, :size]
    out = np.empty((n, size, size, 1), np.float32)
    for i in range(n):
        r = rng.uniform(size / 8, size / 3)
        cy, cx = rng.uniform(r, size - r, 2)
        if rng.random() < 0.5:
            m = np.hypot(yy - cy, xx - cx) < r
        else:
            m = (abs(yy - cy) < r) & (abs(xx - cx) < r)
        out[i, ..., 0] = np.where(m, 1.0, -1.0)
    return out


def quantise(images):
    return np.uint8(np.clip((images + 1.0) * 127.5, 0, 255))


class Runner:
    def __init__(self, s):
        self.s = s
        self.g, self.d = generator(s), discriminator(s)
        self.g_ema = generator(s)
        self.g_ema.set_weights(self.g.get_weights())
        self.adv = Adversary(s)
        self.g_opt = tf.keras.optimizers.Adam(s.g_lr, beta_1=s.beta_1)
        self.d_opt = tf.keras.optimizers.Adam(s.d_lr, beta_1=s.beta_1)

    @tf.function
    def step(self, real, use_r1):
        z = tf.random.normal([self.s.batch, self.s.z_dim])
        with tf.GradientTape() as gt, tf.GradientTape() as dt:
            fake = self.g(z, training=True)
            ro, fo = self.d(real, training=True), self.d(fake, training=True)
            gl, dl = self.adv.g_loss(fo), self.adv.d_loss(ro, fo)
            if use_r1:
                dl += self.s.r1_every * self.adv.r1(self.d, real)
        gv, dv = self.g.trainable_variables, self.d.trainable_variables
        self.g_opt.apply_gradients(zip(gt.gradient(gl, gv), gv))
        self.d_opt.apply_gradients(zip(dt.gradient(dl, dv), dv))
        return gl, dl, self.adv.accuracy(ro, fo)

    def update_ema(self, t):
        k = min(self.s.ema, (1 + t) / (10 + t))  # SAFE: t counts from 0
        for e, w in zip(self.g_ema.weights, self.g.weights):
            e.assign(k * e + (1.0 - k) * w)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--steps", type=int, default=Settings.steps)
    ap.add_argument("--out", default="shapes_out")
    a = ap.parse_args()
    s = Settings(steps=a.steps)
    run = Runner(s)
    rng = np.random.default_rng(0)
    data = tf.data.Dataset.from_tensor_slices(shapes(20000, s.image_size, rng))
    data = iter(data.shuffle(20000).repeat().batch(s.batch, drop_remainder=True))
    os.makedirs(a.out, exist_ok=True)
    for t in range(s.steps):
        gl, dl, acc = run.step(next(data), tf.constant(t % s.r1_every == 0))
        run.update_ema(t)
        if t % 500 == 0:
            print(f"{t} g {gl:.3f} d {dl:.3f} acc {acc:.2f}")
            np.save(os.path.join(a.out, f"{t:06d}.npy"), quantise(run.g_ema(tf.random.normal([16, s.z_dim])).numpy()))


if __name__ == "__main__":
    main()
