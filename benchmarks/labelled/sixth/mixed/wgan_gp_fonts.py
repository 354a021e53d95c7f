"""WGAN-GP for 32x32 glyph images."""
import argparse
import os
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LATENT = 100


def make_generator():
    m = tf.keras.Sequential(name="generator")
    m.add(layers.Input((LATENT,)))
    m.add(layers.Dense(4 * 4 * 128, use_bias=False))
    m.add(layers.BatchNormalization())
    m.add(layers.ReLU())
    m.add(layers.Reshape((4, 4, 128)))
    for f in (64, 32, 16):
        m.add(layers.Conv2DTranspose(f, 4, strides=2, padding="same", use_bias=False))
        m.add(layers.BatchNormalization())
        m.add(layers.ReLU())
    m.add(layers.Conv2D(1, 5, padding="same", activation="tanh"))
    return m


class MinibatchStd(layers.Layer):
    def call(self, x):
        mean = tf.reduce_mean(x, axis=0, keepdims=True)
        var = tf.reduce_mean(tf.square(x - mean), axis=0)
        std = tf.sqrt(var + 1e-8)  # SAFE: 1e-8 inside the root in float32, slope at most 5e3
        s = tf.reduce_mean(std)
        sh = tf.shape(x)
        return tf.concat([x, tf.fill([sh[0], sh[1], sh[2], 1], s)], axis=-1)


def make_critic(zero_head=True):
    inp = layers.Input((32, 32, 1))
    x = inp
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = MinibatchStd()(x)
    x = layers.Flatten()(x)
    init = "zeros" if zero_head else "glorot_uniform"
    return tf.keras.Model(inp, layers.Dense(1, kernel_initializer=init)(x), name="critic")


class WGAN:
    def __init__(self, args):
        self.g, self.d = make_generator(), make_critic()
        self.g_opt = tf.keras.optimizers.Adam(args.lr, beta_1=0.0, beta_2=0.9)
        self.d_opt = tf.keras.optimizers.Adam(args.lr, beta_1=0.0, beta_2=0.9)
        self.gp_weight = args.gp
        self.n_critic = args.n_critic
        self.drift = 1e-3

    def penalty(self, real, fake):
        eps = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
        mid = real + eps * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(mid)
            score = self.d(mid, training=True)
        grad = tape.gradient(score, mid)
        slope = tf.sqrt(tf.reduce_sum(tf.square(grad), axis=[1, 2, 3]))  # BUG: sqrt-grad, critic head starts at zero so the input gradient is exactly 0 and d sqrt(0) is inf*0
        return tf.reduce_mean(tf.square(slope - 1.0))

    @tf.function
    def critic_step(self, real):
        z = tf.random.normal([tf.shape(real)[0], LATENT])
        fake = self.g(z, training=True)
        with tf.GradientTape() as tape:
            rs, fs = self.d(real, training=True), self.d(fake, training=True)
            wdist = tf.reduce_mean(rs) - tf.reduce_mean(fs)
            loss = -wdist + self.gp_weight * self.penalty(real, fake)
            loss += self.drift * tf.reduce_mean(tf.square(rs))
        grads = tape.gradient(loss, self.d.trainable_variables)
        self.d_opt.apply_gradients(zip(grads, self.d.trainable_variables))
        return wdist

    @tf.function
    def gen_step(self, n):
        with tf.GradientTape() as tape:
            fake = self.g(tf.random.normal([n, LATENT]), training=True)
            loss = -tf.reduce_mean(self.d(fake, training=True))
        grads = tape.gradient(loss, self.g.trainable_variables)
        gnorm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in grads]))  # SAFE: only logged, nothing is differentiated through it
        self.g_opt.apply_gradients(zip(grads, self.g.trainable_variables))
        return loss, gnorm


def load_glyphs(folder):
    x = np.load(os.path.join(folder, "glyphs.npy")).astype("float32")
    x = x[..., None] / 127.5 - 1.0  # SAFE: uint8 glyphs mapped to [-1, 1]
    return x


def diversity(imgs):
    f = tf.reshape(imgs, [tf.shape(imgs)[0], -1])
    f = f / tf.maximum(tf.norm(f, axis=1, keepdims=True), 1e-6)  # SAFE: norm floored, evaluation only
    sim = tf.matmul(f, f, transpose_b=True)
    n = tf.cast(tf.shape(f)[0], tf.float32)
    return 1.0 - (tf.reduce_sum(sim) - n) / tf.maximum(n * (n - 1.0), 1.0)  # SAFE: pair count floored at 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="fonts")
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--gp", type=float, default=10.0)
    ap.add_argument("--n_critic", type=int, default=5)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--steps", type=int, default=40000)
    args = ap.parse_args()
    gan = WGAN(args)
    ds = tf.data.Dataset.from_tensor_slices(load_glyphs(args.data)).shuffle(20000).repeat()
    ds = iter(ds.batch(args.batch, drop_remainder=True))
    for step in range(args.steps):
        for _ in range(args.n_critic):
            w = gan.critic_step(next(ds))
        gl, gn = gan.gen_step(tf.constant(args.batch))
        if step % 200 == 0:
            s = gan.g(tf.random.normal([64, LATENT]), training=False)
            print(step, float(w), float(gl), float(gn), float(diversity(s)))
    gan.g.save("generator.keras")


if __name__ == "__main__":
    main()
