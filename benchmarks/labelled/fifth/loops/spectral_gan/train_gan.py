import argparse
import os

import numpy as np
import tensorflow as tf

import gan


def load(path):
    with np.load(path) as f:
        x, y = f["x"], f["y"]
    return x.astype("f4") / 127.5 - 1.0, y.astype("i4").ravel()  # SAFE: constant divisor, pixels become [-1, 1]


class Loop:
    def __init__(self, classes, z=64, kind="hinge", gp=0.0, div=0.05, width=32):
        self.g, self.d = gan.Generator(classes, width), gan.Discriminator(classes, width)
        self.z, self.kind, self.gp, self.div, self.classes = z, kind, gp, div, classes
        self.go = tf.keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)
        self.do = tf.keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9)

    @tf.function
    def d_step(self, x, y):
        z = tf.random.normal([tf.shape(x)[0], self.z])
        fake = self.g(z, y, training=True)
        with tf.GradientTape() as tape:
            r, f = self.d(x, y, training=True), self.d(fake, y, training=True)
            loss = gan.hinge_d(r, f) if self.kind == "hinge" else gan.logistic_d(r, f)
            if self.gp:
                loss += gan.gradient_penalty(self.d, x, fake, y, self.gp)
        v = self.d.trainable_variables
        self.do.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    @tf.function
    def g_step(self, n):
        z = tf.random.normal([n, self.z])
        y = tf.random.uniform([n // 2], 0, self.classes, tf.int32)
        y = tf.concat([y, y], 0)
        with tf.GradientTape() as tape:
            fake = self.g(z, y, training=True)
            s = self.d(fake, y, training=True)
            loss = -tf.reduce_mean(s) if self.kind == "hinge" else gan.logistic_g(s)
            loss += self.div * tf.minimum(gan.diversity(fake, z), 100.0)
        v = self.g.trainable_variables
        self.go.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss


def frechet_diag(a, b):
    """Frechet distance of diagonal Gaussians on pooled pixels."""
    f = lambda x: tf.nn.avg_pool2d(x, 4, 4, "VALID").numpy().reshape(len(x), -1)
    a, b = f(a), f(b)
    va, vb = a.var(0), b.var(0)
    return float(((a.mean(0) - b.mean(0)) ** 2 + va + vb - 2 * np.sqrt(va * vb)).sum())  # SAFE: product of variances, numpy without gradient


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="cifar.npz")
    p.add_argument("--kind", default="hinge", choices=["hinge", "logistic"])
    p.add_argument("--gp", type=float, default=0.0)
    p.add_argument("--steps", type=int, default=50000)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--out", default="sngan")
    a = p.parse_args()
    x, y = load(a.data)
    loop = Loop(int(y.max()) + 1, kind=a.kind, gp=a.gp)
    it = iter(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(20000).repeat().batch(a.batch, drop_remainder=True))
    os.makedirs(a.out, exist_ok=True)
    for t in range(a.steps):
        dl = loop.d_step(*next(it))
        gl = loop.g_step(a.batch)
        if t % 500 == 0:
            bx, by = next(it)
            fake = loop.g(tf.random.normal([a.batch, loop.z]), by)
            print(t, float(dl), float(gl), "fd", frechet_diag(bx, fake))
            np.save(os.path.join(a.out, "%06d.npy" % t), fake.numpy())


if __name__ == "__main__":
    main()
