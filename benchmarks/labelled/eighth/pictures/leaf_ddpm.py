"""Denoising diffusion on leaf scans, learned variance (improved DDPM hybrid objective)."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops


class CosineSchedule:
    def __init__(self, T=1000, s=0.008):
        t = np.arange(T + 1, dtype=np.float64) / T
        f = np.cos((t + s) / (1 + s) * math.pi / 2) ** 2
        abar = f / f[0]  # SAFE: f[0] is cos^2 of a small angle, about 1
        betas = np.clip(1 - abar[1:] / abar[:-1], 0, 0.999)  # SAFE: abar[:-1] ends before the zero at t = T
        alphas = 1.0 - betas
        self.T = T
        ab = np.cumprod(alphas)
        ab_prev = np.append(1.0, ab[:-1])
        post_var = betas * (1.0 - ab_prev) / (1.0 - ab)  # SAFE: 1 - ab >= betas[0] > 0
        f32 = lambda a: tf.constant(a, tf.float32)
        self.betas, self.abar = f32(betas), f32(ab)
        self.sqrt_ab = f32(np.sqrt(ab))
        self.sqrt_1mab = f32(np.sqrt(1.0 - ab))  # SAFE: ab in (0, 1), constants without gradient
        self.log_betas = f32(np.log(betas))  # SAFE: cosine betas are strictly positive
        self.post_log_var = f32(np.log(post_var))  # BUG: log-zero, posterior variance at t=0 is exactly 0
        self.post_c1 = f32(betas * np.sqrt(ab_prev) / (1.0 - ab))
        self.post_c2 = f32((1.0 - ab_prev) * np.sqrt(alphas) / (1.0 - ab))

    def take(self, arr, t):
        return tf.reshape(tf.gather(arr, t), [-1, 1, 1, 1])

    def q_sample(self, x0, t, eps):
        return self.take(self.sqrt_ab, t) * x0 + self.take(self.sqrt_1mab, t) * eps

    def posterior(self, x0, xt, t):
        mean = self.take(self.post_c1, t) * x0 + self.take(self.post_c2, t) * xt
        return mean, self.take(self.post_log_var, t)

    def predict_x0(self, xt, t, eps):
        return (xt - self.take(self.sqrt_1mab, t) * eps) / self.take(self.sqrt_ab, t)  # SAFE: betas capped at 0.999, so sqrt_ab stays above float32 tiny


def normal_kl(m1, lv1, m2, lv2):
    return 0.5 * (-1.0 + lv2 - lv1 + tf.exp(lv1 - lv2) + tf.square(m1 - m2) * tf.exp(-lv2))


def time_embedding(t, dim):
    half = dim // 2
    freq = ops.exp(-math.log(1e4) * ops.arange(half, dtype="float32") / half)  # SAFE: exponent is never positive
    ang = ops.cast(t, "float32")[:, None] * freq[None]
    return ops.concatenate([ops.sin(ang), ops.cos(ang)], -1)


class ResBlock(layers.Layer):
    def __init__(self, ch, **kw):
        super().__init__(**kw)
        self.ch = ch
        self.n1, self.n2 = layers.GroupNormalization(8), layers.GroupNormalization(8)
        self.c1 = layers.Conv2D(ch, 3, padding="same")
        self.c2 = layers.Conv2D(ch, 3, padding="same", kernel_initializer="zeros")  # SAFE: zero-init of a residual branch, the skip path carries gradient
        self.emb = layers.Dense(ch)
        self.skip = layers.Conv2D(ch, 1)

    def call(self, x, e):
        h = self.c1(ops.silu(self.n1(x)))
        h = h + self.emb(ops.silu(e))[:, None, None]
        h = self.c2(ops.silu(self.n2(h)))
        return self.skip(x) + h


class UNet(keras.Model):
    def __init__(self, ch=32, edim=128):
        super().__init__()
        self.edim = edim
        self.stem = layers.Conv2D(ch, 3, padding="same")
        self.t1, self.t2 = layers.Dense(edim, activation="silu"), layers.Dense(edim)
        self.down = [ResBlock(ch), ResBlock(ch * 2), ResBlock(ch * 4)]
        self.mid = ResBlock(ch * 4)
        self.up = [ResBlock(ch * 4), ResBlock(ch * 2), ResBlock(ch)]
        self.pool, self.upsample = layers.AveragePooling2D(2), layers.UpSampling2D()
        self.norm = layers.GroupNormalization(8)
        self.head = layers.Conv2D(6, 3, padding="same")

    def call(self, x, t):
        e = self.t2(self.t1(time_embedding(t, self.edim)))
        h, skips = self.stem(x), []
        for blk in self.down:
            h = blk(h, e)
            skips.append(h)
            h = self.pool(h)
        h = self.mid(h, e)
        for blk, s in zip(self.up, reversed(skips)):
            h = blk(ops.concatenate([self.upsample(h), s], -1), e)
        return ops.split(self.head(ops.silu(self.norm(h))), 2, axis=-1)


class Diffusion:
    def __init__(self, net, sched, lr, vlb_weight=1e-3, ema=0.999):
        self.net, self.s, self.vlb_weight, self.ema = net, sched, vlb_weight, ema
        self.opt = keras.optimizers.AdamW(lr, weight_decay=1e-4, clipnorm=1.0)
        self.shadow = None

    @tf.function
    def step(self, x0):
        t = tf.random.uniform([tf.shape(x0)[0]], 0, self.s.T, tf.int32)
        eps = tf.random.normal(tf.shape(x0))
        xt = self.s.q_sample(x0, t, eps)
        with tf.GradientTape() as tape:
            pred, v = self.net(xt, t)
            simple = tf.reduce_mean(tf.square(pred - eps))
            frac = (tf.tanh(v) + 1.0) / 2.0
            hi, (mean, lo) = self.s.take(self.s.log_betas, t), self.s.posterior(x0, xt, t)
            logvar = frac * hi + (1.0 - frac) * lo
            x0_hat = self.s.predict_x0(xt, t, tf.stop_gradient(pred))
            mean_hat, _ = self.s.posterior(x0_hat, xt, t)
            vlb = tf.reduce_mean(normal_kl(mean, lo, mean_hat, logvar)) / math.log(2.0)  # SAFE: constant denominator
            loss = simple + self.vlb_weight * vlb
        g = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return simple, vlb

    def update_ema(self):
        w = [v.numpy() for v in self.net.trainable_variables]
        if self.shadow is None:
            self.shadow = w
        else:
            self.shadow = [self.ema * a + (1 - self.ema) * b for a, b in zip(self.shadow, w)]


def dataset(pattern, size, batch):
    def load(p):
        im = tf.io.decode_image(tf.io.read_file(p), channels=3, expand_animations=False)
        im = tf.image.resize(tf.cast(im, tf.float32), [size, size])
        return im / 127.5 - 1.0
    return (tf.data.Dataset.list_files(pattern).map(load, tf.data.AUTOTUNE).cache()
            .shuffle(4096).repeat().batch(batch, drop_remainder=True).prefetch(2))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--images", default="leaves/*.png")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--steps", type=int, default=200_000)
    p.add_argument("--lr", type=float, default=2e-4)
    p.add_argument("--out", default="leaf_ddpm")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    model = Diffusion(UNet(), CosineSchedule(), a.lr)
    running = []
    for i, x in enumerate(dataset(a.images, a.size, a.batch).take(a.steps)):
        simple, vlb = model.step(x)
        model.update_ema()
        running.append(float(simple))
        if i % 500 == 499:
            psnr = -10 * math.log10(max(np.mean(running), 1e-10))  # SAFE: floored before log10
            print(f"step {i + 1} mse {np.mean(running):.4f} ({psnr:.2f} dB) vlb {float(vlb):.3f} bits", flush=True)
            running.clear()
            model.net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
