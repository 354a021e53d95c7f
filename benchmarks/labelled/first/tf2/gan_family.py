"""DCGAN, LSGAN and WGAN-GP behind one switch (celeba crops)."""
import os
import time
import functools
from enum import Enum

import tensorflow as tf
from tensorflow.keras import layers, Model, Sequential, optimizers


class Kind(Enum):
    DCGAN = "dcgan"
    NAIVE = "naive"
    LSGAN = "lsgan"
    WGANGP = "wgangp"


LATENT = 100
SIZE = 64


def make_generator():
    g = Sequential(name="G")
    g.add(layers.Dense(4 * 4 * 512, use_bias=False, input_shape=(LATENT,)))
    g.add(layers.Reshape((4, 4, 512)))
    for ch in (256, 128, 64):
        g.add(layers.Conv2DTranspose(ch, 4, 2, "same", use_bias=False))
        g.add(layers.BatchNormalization())
        g.add(layers.ReLU())
    g.add(layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh"))
    return g


class PixelNorm(layers.Layer):
    def __init__(self, epsilon=1e-8, **kw):
        super().__init__(**kw)
        self.epsilon = epsilon

    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + self.epsilon)  # SAFE: epsilon inside, float32


class MinibatchStd(layers.Layer):
    def call(self, x):
        mu = tf.reduce_mean(x, axis=0, keepdims=True)
        sd = tf.sqrt(tf.reduce_mean(tf.square(x - mu), axis=0))  # BUG: sqrt-grad, relu features that are 0 for the whole batch have zero variance
        s = tf.reduce_mean(sd)
        shp = tf.shape(x)
        return tf.concat([x, tf.fill([shp[0], shp[1], shp[2], 1], 1.0) * s], axis=-1)


def make_critic(kind):
    x = layers.Input((SIZE, SIZE, 3))
    h = x
    for ch in (64, 128, 256):
        h = layers.Conv2D(ch, 4, 2, "same")(h)
        h = layers.ReLU()(h)
        if kind is not Kind.WGANGP:
            h = layers.Dropout(0.25)(h)
        else:
            h = PixelNorm()(h)
    if kind is Kind.LSGAN:
        h = MinibatchStd()(h)
    h = layers.Flatten()(h)
    act = "sigmoid" if kind is Kind.NAIVE else None
    return Model(x, layers.Dense(1, activation=act)(h), name="D")


class GAN:
    def __init__(self, kind, lr=2e-4, gp_weight=10.0):
        self.kind = kind
        self.G = make_generator()
        self.D = make_critic(kind)
        self.gp_weight = gp_weight
        self.go = optimizers.Adam(lr, beta_1=0.5)
        self.do = optimizers.Adam(lr, beta_1=0.5)
        self.bce = tf.keras.losses.BinaryCrossentropy(from_logits=True)  # SAFE: D is linear for the DCGAN kind

    # ---- losses -----------------------------------------------------
    def d_loss(self, real, fake):
        if self.kind is Kind.DCGAN:
            return self.bce(tf.ones_like(real) * 0.9, real) + self.bce(tf.zeros_like(fake), fake)
        if self.kind is Kind.NAIVE:
            return -tf.reduce_mean(tf.math.log(real) + tf.math.log(1.0 - fake))  # BUG: log-sigmoid, D is a sigmoid for this kind, 1-sigmoid is 0 for a sure discriminator
        if self.kind is Kind.LSGAN:
            return tf.reduce_mean(tf.square(real - 1)) + tf.reduce_mean(tf.square(fake))  # SAFE: squares
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def g_loss(self, fake):
        if self.kind is Kind.DCGAN:
            return self.bce(tf.ones_like(fake), fake)
        if self.kind is Kind.NAIVE:
            return -tf.reduce_mean(tf.math.log(fake + 1e-8))  # SAFE: epsilon added to a sigmoid, float32
        if self.kind is Kind.LSGAN:
            return tf.reduce_mean(tf.square(fake - 1))
        return -tf.reduce_mean(fake)

    def gradient_penalty(self, real, fake):
        b = tf.shape(real)[0]
        a = tf.random.uniform([b, 1, 1, 1])
        mix = real + a * (fake - real)
        with tf.GradientTape() as t:
            t.watch(mix)
            out = self.D(mix, training=True)
        g = t.gradient(out, mix)
        norm = tf.sqrt(tf.reduce_sum(tf.square(g), axis=[1, 2, 3]))  # BUG: sqrt-grad, ReLU critic, all units dead on one sample gives a zero gradient, root of 0
        return tf.reduce_mean(tf.square(norm - 1.0))

    def gradient_penalty_safe(self, real, fake):
        """r1 style, used for the last epochs"""
        with tf.GradientTape() as t:
            t.watch(real)
            out = self.D(real, training=True)
        g = t.gradient(out, real)
        slope = tf.sqrt(1e-12 + tf.reduce_sum(tf.square(g), axis=[1, 2, 3]))  # SAFE: 1e-12 inside the root, gradient 0.5/1e-6 times 2g = 0
        return tf.reduce_mean(tf.square(slope))

    # ---- steps ------------------------------------------------------
    @tf.function
    def train_d(self, real, late):
        z = tf.random.normal([tf.shape(real)[0], LATENT])
        with tf.GradientTape() as tape:
            fake = self.G(z, training=True)
            loss = self.d_loss(self.D(real, training=True), self.D(fake, training=True))
            if self.kind is Kind.WGANGP:
                if late:
                    loss += self.gp_weight * self.gradient_penalty_safe(real, fake)
                else:
                    loss += self.gp_weight * self.gradient_penalty(real, fake)
        gr = tape.gradient(loss, self.D.trainable_variables)
        self.do.apply_gradients(zip(gr, self.D.trainable_variables))
        return loss

    @tf.function
    def train_g(self, n):
        z = tf.random.normal([n, LATENT])
        with tf.GradientTape() as tape:
            loss = self.g_loss(self.D(self.G(z, training=True), training=True))
        gr = tape.gradient(loss, self.G.trainable_variables)
        self.go.apply_gradients(zip(gr, self.G.trainable_variables))
        return loss


def decode(path, crop=148):
    img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    img = tf.image.resize_with_crop_or_pad(img, crop, crop)
    img = tf.image.resize(img, (SIZE, SIZE))
    return (img - 127.5) / 127.5  # SAFE: constant, to -1..1 for the tanh


def run(kind, folder, epochs=30, batch=64, n_critic=5):
    ds = tf.data.Dataset.list_files(os.path.join(folder, "*.jpg"))
    ds = ds.map(functools.partial(decode, crop=148), num_parallel_calls=tf.data.AUTOTUNE).batch(batch, drop_remainder=True)
    gan = GAN(kind)
    writer = tf.summary.create_file_writer("logs/" + kind.value)
    step = 0
    for e in range(epochs):
        t0 = time.time()
        for real in ds:
            dl = gan.train_d(real, e >= epochs - 3)
            if kind is not Kind.WGANGP or step % n_critic == 0:
                gl = gan.train_g(batch)
            step += 1
            with writer.as_default():
                tf.summary.scalar("d_log", tf.math.log(tf.abs(dl)), step=step)  # SAFE: only a summary
        print(e, float(dl), float(gl), step / (time.time() - t0))  # SAFE: timing


if __name__ == "__main__":
    for k in Kind:
        run(k, "celeba/img_align_celeba")
