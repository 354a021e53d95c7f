"""Spectrally normalised GAN with hinge loss, R1 penalty and differentiable augmentation."""
import argparse
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class SNConv(layers.Layer):
    def __init__(self, filters, size=3, stride=1, iters=1, **kw):
        super().__init__(**kw)
        self.f, self.k, self.s, self.iters = filters, size, stride, iters

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(self.k, self.k, shape[-1], self.f), initializer="orthogonal")
        self.b = self.add_weight(name="b", shape=(self.f,), initializer="zeros")
        self.u = self.add_weight(name="u", shape=(1, self.f), initializer="random_normal", trainable=False)

    def sigma(self, training):
        w = tf.reshape(self.w, [-1, self.f])
        u = self.u
        for _ in range(self.iters):
            v = tf.math.l2_normalize(tf.matmul(u, w, transpose_b=True))  # SAFE: l2_normalize has an epsilon under the root
            u = tf.math.l2_normalize(tf.matmul(v, w))
        u, v = tf.stop_gradient(u), tf.stop_gradient(v)
        if training:
            self.u.assign(u)
        return tf.maximum(tf.squeeze(tf.matmul(tf.matmul(v, w), u, transpose_b=True)), 1e-4)

    def call(self, x, training=False):
        w = self.w / self.sigma(training)  # SAFE: sigma() returns at least 1e-4
        return tf.nn.bias_add(tf.nn.conv2d(x, w, self.s, "SAME"), self.b)


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + 1e-8)  # SAFE: 1e-8 under rsqrt in float32, slope at most 1e4


def generator(z=64, ch=32):
    inp = layers.Input((z,))
    x = layers.Reshape((4, 4, ch * 4))(layers.Dense(4 * 4 * ch * 4)(PixelNorm()(inp)))
    for f in (ch * 2, ch, ch):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(f, 3, padding="same")(x)
        x = PixelNorm()(layers.LeakyReLU(0.2)(x))
    return tf.keras.Model(inp, layers.Conv2D(3, 1, activation="tanh")(x))


class Discriminator(tf.keras.Model):
    def __init__(self, ch=32):
        super().__init__()
        self.convs = [SNConv(ch), SNConv(ch * 2, 4, 2), SNConv(ch * 4, 4, 2), SNConv(ch * 4, 4, 2)]
        self.out = layers.Dense(1)

    def call(self, x, training=False):
        for c in self.convs:
            x = tf.nn.leaky_relu(c(x, training=training), 0.1)
        return self.out(tf.reduce_sum(x, [1, 2]))


def brightness(x):
    return x + tf.random.uniform([tf.shape(x)[0], 1, 1, 1], -0.5, 0.5)


def contrast(x):
    m = tf.reduce_mean(x, [1, 2, 3], keepdims=True)
    return (x - m) * tf.random.uniform([tf.shape(x)[0], 1, 1, 1], 0.5, 1.5) + m


def augment(x):
    return contrast(brightness(x))


def d_hinge(r, f):
    return tf.reduce_mean(tf.nn.relu(1.0 - r)) + tf.reduce_mean(tf.nn.relu(1.0 + f))


class Trainer:
    def __init__(self, lr=2e-4, r1=1.0, z=64, ema=0.999, path=0.0):
        self.g, self.d, self.g_ema = generator(z), Discriminator(), generator(z)
        self.g_ema.set_weights(self.g.get_weights())
        self.go, self.do = tf.keras.optimizers.Adam(lr, 0.0, 0.9), tf.keras.optimizers.Adam(2 * lr, 0.0, 0.9)
        self.r1, self.z, self.ema, self.path = r1, z, ema, path
        self.path_mean = tf.Variable(0.0, trainable=False)

    def r1_penalty(self, x):
        with tf.GradientTape() as t:
            t.watch(x)
            s = tf.reduce_sum(self.d(x, training=True))
        return tf.reduce_mean(tf.reduce_sum(tf.square(t.gradient(s, x)), [1, 2, 3]))

    def path_length(self, z):
        with tf.GradientTape() as t:
            t.watch(z)
            im = self.g(z, training=True)
            y = tf.reduce_sum(im * tf.random.normal(tf.shape(im))) / np.sqrt(32 * 32)  # SAFE: constant image size
        length = tf.sqrt(tf.reduce_sum(tf.square(t.gradient(y, z)), -1) + 1e-8)  # SAFE: 1e-8 under the root in float32
        self.path_mean.assign(0.99 * self.path_mean + 0.01 * tf.reduce_mean(length))
        return tf.reduce_mean(tf.square(length - self.path_mean))

    def d_step(self, real):
        fake = self.g(tf.random.normal([tf.shape(real)[0], self.z]), training=True)
        with tf.GradientTape() as t:
            loss = d_hinge(self.d(augment(real), training=True), self.d(augment(fake), training=True))
            loss += 0.5 * self.r1 * self.r1_penalty(real)
        v = self.d.trainable_variables
        self.do.apply_gradients(zip(t.gradient(loss, v), v))
        return loss

    def g_step(self, n):
        z = tf.random.normal([n, self.z])
        with tf.GradientTape() as t:
            loss = -tf.reduce_mean(self.d(augment(self.g(z, training=True)), training=True))
            if self.path:
                loss += self.path * self.path_length(z)
        v = self.g.trainable_variables
        self.go.apply_gradients(zip(t.gradient(loss, v), v))
        for a, b in zip(self.g_ema.weights, self.g.weights):
            a.assign(self.ema * a + (1 - self.ema) * b)
        return loss


def inception_score(prob, splits=4):
    out = []
    for p in np.array_split(np.clip(prob, 1e-12, 1.0), splits):
        kl = p * (np.log(p) - np.log(p.mean(0, keepdims=True)))  # SAFE: probabilities clipped to 1e-12 in numpy
        out.append(np.exp(kl.sum(1).mean()))  # SAFE: mean KL is at most log of the number of classes
    return float(np.mean(out)), float(np.std(out))


def frechet(a, b):
    ma, mb = a.mean(0), b.mean(0)
    va, vb = a.var(0), b.var(0)
    return float(((ma - mb) ** 2).sum() + (va + vb - 2.0 * np.sqrt(va * vb)).sum())  # SAFE: variances are non-negative, diagonal approximation, evaluation only


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--steps", type=int, default=50000)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--r1", type=float, default=1.0)
    p.add_argument("--path", type=float, default=0.0)
    a = p.parse_args()
    (x, _), _ = tf.keras.datasets.cifar10.load_data()
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(50000).repeat().batch(a.batch).map(lambda i: tf.cast(i, tf.float32) / 127.5 - 1.0)  # SAFE: pixels mapped to [-1, 1]
    tr = Trainer(r1=a.r1, path=a.path)
    d_step, g_step = tf.function(tr.d_step), tf.function(tr.g_step)
    for k, real in enumerate(ds.take(a.steps)):
        dl, gl = d_step(real), g_step(a.batch)
        if k % 500 == 0:
            f = tr.g_ema(tf.random.normal([256, tr.z])).numpy().reshape(256, -1)
            print(k, float(dl), float(gl), frechet(x[:256].reshape(256, -1) / 127.5 - 1.0, f))
    tr.g_ema.save("g_ema.keras")


if __name__ == "__main__":
    main()
