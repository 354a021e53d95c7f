"""WGAN-GP on fabric texture patches (64x64x3).

Zero-initialised critic head follows the "zero-init last layer" trick that worked
well for our residual classifiers.
"""
import argparse
import pathlib
import sys

import numpy as np
import tensorflow as tf

from tensorflow.keras import Model, Input, layers

PATCH = 64


def patches_from_dir(folder, per_image=64, seed=0):
    rng = np.random.default_rng(seed)
    out = []
    for p in sorted(pathlib.Path(folder).glob("*.jpg")):
        img = np.asarray(tf.io.decode_jpeg(tf.io.read_file(str(p)), channels=3))
        h, w = img.shape[:2]
        if min(h, w) < PATCH:
            continue
        for _ in range(per_image):
            i, j = rng.integers(0, h - PATCH + 1), rng.integers(0, w - PATCH + 1)
            out.append(img[i:i + PATCH, j:j + PATCH])
    if not out:
        sys.exit(f"no usable images in {folder}")
    arr = np.stack(out).astype("float32")
    contrast = arr.std(axis=(1, 2, 3))
    keep = contrast > 4.0
    arr, contrast = arr[keep], contrast[keep]
    arr = (arr - arr.mean(axis=(1, 2, 3), keepdims=True)) / contrast[:, None, None, None]  # SAFE: flat patches were filtered, contrast > 4
    return np.clip(arr / 3.0, -1, 1)


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-8)  # SAFE: 1e-8 is representable in float32 and stays under the root


def res_up(x, ch):
    y = layers.UpSampling2D()(x)
    s = layers.Conv2D(ch, 1)(y)
    y = layers.Conv2D(ch, 3, padding="same")(y)
    y = PixelNorm()(layers.LeakyReLU(negative_slope=0.2)(y))
    y = layers.Conv2D(ch, 3, padding="same")(y)
    return (s + y) / np.sqrt(2.0)  # SAFE: constant


def res_down(x, ch):
    s = layers.AveragePooling2D(2)(layers.Conv2D(ch, 1)(x))
    y = layers.LeakyReLU(negative_slope=0.2)(x)
    y = layers.Conv2D(ch, 3, padding="same")(y)
    y = layers.LeakyReLU(negative_slope=0.2)(y)
    y = layers.Conv2D(ch, 3, strides=2, padding="same")(y)
    return layers.Add()([s, y])


def make_generator(zdim, width):
    z = Input((zdim,))
    x = layers.Dense(4 * 4 * width * 8)(z)
    x = layers.Reshape((4, 4, width * 8))(x)
    for m in (8, 4, 2, 1):
        x = res_up(x, width * m)
    return Model(z, layers.Conv2D(3, 3, padding="same", activation="tanh")(x))


def make_critic(width, head_init="zeros"):
    inp = Input((PATCH, PATCH, 3))
    x = layers.Conv2D(width, 3, padding="same")(inp)
    for m in (2, 4, 8):
        x = res_down(x, width * m)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return Model(inp, layers.Dense(1, kernel_initializer=head_init)(x))


class FabricGAN(Model):
    def __init__(self, gen, critic, zdim, gp_weight=10.0, n_critic=5):
        super().__init__()
        self.gen, self.critic, self.zdim = gen, critic, zdim
        self.gp_weight, self.n_critic = gp_weight, n_critic
        self.m_w = tf.keras.metrics.Mean(name="wasserstein")
        self.m_gp = tf.keras.metrics.Mean(name="gp")

    def compile(self, g_opt, c_opt):
        super().compile()
        self.g_opt, self.c_opt = g_opt, c_opt

    @property
    def metrics(self):
        return [self.m_w, self.m_gp]

    def penalty(self, real, fake):
        a = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
        mid = a * real + (1.0 - a) * fake
        with tf.GradientTape() as t:
            t.watch(mid)
            c = self.critic(mid, training=True)
        g = t.gradient(c, mid)
        norm = tf.sqrt(tf.reduce_sum(tf.square(g), axis=[1, 2, 3]))  # BUG: sqrt-grad, critic head starts at zero so the input gradient is exactly 0
        return tf.reduce_mean(tf.square(norm - 1.0))

    def train_step(self, real):
        n = tf.shape(real)[0]
        for _ in range(self.n_critic):
            fake = self.gen(tf.random.normal([n, self.zdim]), training=True)
            with tf.GradientTape() as tape:
                w = tf.reduce_mean(self.critic(real, training=True)) - tf.reduce_mean(self.critic(fake, training=True))
                gp = self.penalty(real, fake)
                loss = -w + self.gp_weight * gp
            grads = tape.gradient(loss, self.critic.trainable_variables)
            self.c_opt.apply_gradients(zip(grads, self.critic.trainable_variables))
            self.m_w.update_state(w)
            self.m_gp.update_state(gp)
        with tf.GradientTape() as tape:
            fake = self.gen(tf.random.normal([n, self.zdim]), training=True)
            loss = -tf.reduce_mean(self.critic(fake, training=True))  # SAFE: unbounded critic score, no log in a Wasserstein loss
        grads = tape.gradient(loss, self.gen.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.gen.trainable_variables))
        return {m.name: m.result() for m in self.metrics}


def radial_spectrum(imgs):
    """Azimuthally averaged log power spectrum, used to compare texture scale."""
    gray = imgs.mean(-1)
    p = np.abs(np.fft.fftshift(np.fft.fft2(gray), axes=(1, 2))) ** 2
    yy, xx = np.indices((PATCH, PATCH)) - PATCH // 2
    r = np.sqrt(yy ** 2 + xx ** 2).astype(int)  # SAFE: non-negative, host side, no gradient
    num = np.bincount(r.ravel(), p.mean(0).ravel())
    cnt = np.bincount(r.ravel())
    return np.log1p(num / np.maximum(cnt, 1))  # SAFE: counts floored at one and log1p of a non-negative


class Spectra(tf.keras.callbacks.Callback):
    def __init__(self, ref, every=5):
        super().__init__()
        self.ref, self.every = radial_spectrum(ref), every

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every:
            return
        fake = self.model.gen(tf.random.normal([256, self.model.zdim])).numpy()
        s = radial_spectrum(fake)
        d = np.linalg.norm(s - self.ref) / np.linalg.norm(self.ref)  # SAFE: reference spectrum of filtered textures is non-zero
        print(f"\n[spectrum] epoch {epoch} relative distance {d:.4f}")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--zdim", type=int, default=128)
    ap.add_argument("--width", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=32)
    opt = ap.parse_args()
    X = patches_from_dir(opt.folder)
    print("patches", X.shape)
    ds = tf.data.Dataset.from_tensor_slices(X).shuffle(len(X)).batch(opt.batch, drop_remainder=True)
    gan = FabricGAN(make_generator(opt.zdim, opt.width), make_critic(opt.width), opt.zdim)
    gan.compile(tf.keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),  # SAFE: beta_1 = 0 is a legal Adam setting
                tf.keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9))
    gan.fit(ds, epochs=opt.epochs, callbacks=[Spectra(X[:256])])
    gan.gen.save("fabric_generator.keras")
