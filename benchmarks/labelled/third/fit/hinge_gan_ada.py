"""Conditional hinge GAN with adaptive augmentation, for small icon sets (64x64)."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def load_icons(path):
    with np.load(path) as z:
        x, y = z["images"], z["labels"]
    return x.astype("float32") / 127.5 - 1.0, y.astype("int32")  # SAFE: constant divisor, gives [-1, 1]


class SpectralConv(layers.Conv2D):
    """Convolution divided by its largest singular value (one power iteration for each call)."""

    def build(self, shape):
        super().build(shape)
        self.u = self.add_weight(name="sn_u", shape=(1, self.filters), trainable=False, initializer="random_normal")

    def normalised_kernel(self, training):
        w = tf.reshape(tf.convert_to_tensor(self.kernel), (-1, self.filters))
        u = tf.convert_to_tensor(self.u)
        v = tf.math.l2_normalize(tf.matmul(u, w, transpose_b=True))  # SAFE: epsilon inside l2_normalize
        u = tf.math.l2_normalize(tf.matmul(v, w))  # SAFE: epsilon inside l2_normalize
        u, v = tf.stop_gradient(u), tf.stop_gradient(v)
        sigma = tf.matmul(tf.matmul(v, w), u, transpose_b=True)
        if training:
            self.u.assign(u)
        return self.kernel / tf.maximum(sigma, 1e-4)[0, 0]  # SAFE: sigma floored at 1e-4

    def call(self, x, training=False):
        y = tf.nn.conv2d(x, self.normalised_kernel(training), self.strides, self.padding.upper())
        return tf.nn.bias_add(y, self.bias)


class CondNorm(layers.Layer):
    def __init__(self, classes, **kw):
        super().__init__(**kw)
        self.classes = classes
        self.bn = layers.BatchNormalization(center=False, scale=False, epsilon=1e-4)  # SAFE: float32, epsilon 1e-4

    def build(self, shape):
        c = shape[-1]
        self.gamma = layers.Embedding(self.classes, c, embeddings_initializer="ones")
        self.beta = layers.Embedding(self.classes, c, embeddings_initializer="zeros")

    def call(self, x, y, training=False):
        g, b = self.gamma(y)[:, None, None], self.beta(y)[:, None, None]
        return self.bn(x, training=training) * g + b


class Generator(keras.Model):
    def __init__(self, classes, width=64, size=64):
        super().__init__()
        self.start = layers.Dense(4 * 4 * width * 4)
        self.width = width
        n = int(np.log2(size)) - 2  # SAFE: size is a positive power of two
        self.convs = [layers.Conv2D(max(width * 4 // 2 ** i, 8), 3, padding="same") for i in range(n)]
        self.norms = [CondNorm(classes) for _ in range(n)]
        self.out = layers.Conv2D(3, 3, padding="same", activation="tanh")

    def call(self, z, y, training=False):
        z = z * tf.math.rsqrt(tf.reduce_mean(tf.square(z), -1, keepdims=True) + 1e-8)  # SAFE: 1e-8 inside, float32
        x = tf.reshape(self.start(z), (-1, 4, 4, self.width * 4))
        for conv, norm in zip(self.convs, self.norms):
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.leaky_relu(norm(conv(x), y, training=training))
        return self.out(x)


class Critic(keras.Model):
    def __init__(self, classes, width=64):
        super().__init__()
        self.convs = [SpectralConv(width * 2 ** min(i, 2), 4, strides=2, padding="same") for i in range(4)]
        self.head = layers.Dense(1)
        self.proj = layers.Embedding(classes, width * 4)

    def minibatch_std(self, x):
        var = tf.math.reduce_variance(x, axis=0)
        s = tf.reduce_mean(tf.sqrt(var + 1e-8))  # SAFE: 1e-8 inside the root, also for identical images
        return tf.concat([x, tf.fill(tf.concat([tf.shape(x)[:-1], [1]], 0), s)], -1)

    def call(self, x, y, training=False):
        for c in self.convs:
            x = tf.nn.leaky_relu(c(x, training=training), 0.2)
        x = self.minibatch_std(x)
        h = tf.reduce_mean(x, axis=(1, 2))
        return self.head(h)[:, 0] + tf.reduce_sum(self.proj(y) * h[:, :-1], -1)


class HingeGAN(keras.Model):
    def __init__(self, classes, latent=64, width=64, size=64, r1=1.0, target=0.6):
        super().__init__()
        self.latent, self.classes, self.r1, self.target = latent, classes, r1, target
        self.g, self.d = Generator(classes, width, size), Critic(classes, width)
        self.p = tf.Variable(0.0, trainable=False)
        self.names = ("d_loss", "g_loss", "r1", "p")
        self.t = {k: keras.metrics.Mean(name=k) for k in self.names}

    def compile(self, d_opt, g_opt):
        super().compile()
        self.d_opt, self.g_opt = d_opt, g_opt

    @property
    def metrics(self):
        return [self.t[k] for k in self.names]

    def augment(self, x):
        n = tf.shape(x)[0]
        on = tf.cast(tf.random.uniform((n, 1, 1, 1)) < self.p, tf.float32)
        x = on * x[:, :, ::-1] + (1.0 - on) * x
        gain = tf.exp(0.2 * tf.random.truncated_normal((n, 1, 1, 1)))  # SAFE: truncated normal stays within two deviations, exponent at most 0.4
        return x * (on * gain + 1.0 - on)

    def r1_penalty(self, x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            s = tf.reduce_sum(self.d(x, y, training=True))
        g = tape.gradient(s, x)
        return tf.reduce_mean(tf.reduce_sum(tf.square(g), axis=(1, 2, 3)))  # SAFE: squared norm without a root

    def train_step(self, data):
        x, y = data
        n = tf.shape(x)[0]
        z = tf.random.normal((n, self.latent))
        with tf.GradientTape() as tape:
            fake = self.augment(self.g(z, y, training=True))
            real = self.augment(x)
            sr, sf = self.d(real, y, training=True), self.d(fake, y, training=True)
            pen = self.r1_penalty(real, y)
            d_loss = tf.reduce_mean(tf.nn.relu(1.0 - sr)) + tf.reduce_mean(tf.nn.relu(1.0 + sf)) + 0.5 * self.r1 * pen
        v = self.d.trainable_variables
        self.d_opt.apply_gradients(zip(tape.gradient(d_loss, v), v))
        with tf.GradientTape() as tape:
            g_loss = -tf.reduce_mean(self.d(self.augment(self.g(z, y, training=True)), y, training=True))
        v = self.g.trainable_variables
        self.g_opt.apply_gradients(zip(tape.gradient(g_loss, v), v))
        sign = tf.reduce_mean(tf.sign(sr))
        self.p.assign(tf.clip_by_value(self.p + 1e-3 * tf.sign(sign - self.target), 0.0, 0.8))
        for k, s in zip(self.names, (d_loss, g_loss, pen, self.p)):
            self.t[k].update_state(s)
        return {m.name: m.result() for m in self.metrics}


class Samples(keras.callbacks.Callback):
    def __init__(self, folder, classes, latent):
        super().__init__()
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.y = tf.range(classes)
        self.z = tf.random.normal((classes, latent), seed=3)

    def on_epoch_end(self, epoch, logs=None):
        img = self.model.g(self.z, self.y).numpy()
        np.save(os.path.join(self.folder, "%04d.npy" % epoch), ((img + 1.0) * 127.5).astype("uint8"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="icons.npz")
    ap.add_argument("--latent", type=int, default=64)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=300)
    a = ap.parse_args()
    x, y = load_icons(a.data)
    gan = HingeGAN(int(y.max()) + 1, a.latent, size=x.shape[1])
    gan.compile(keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9), keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9))  # SAFE: usual rates for hinge GANs with spectral norm
    gan.fit(x, y, batch_size=a.batch, epochs=a.epochs, callbacks=[Samples("icons_out", gan.classes, a.latent)])


if __name__ == "__main__":
    main()
