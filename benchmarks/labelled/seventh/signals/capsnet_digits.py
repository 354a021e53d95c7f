"""CapsNet with dynamic routing on MNIST-like digits (course project)."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

N_CLASS = 10


def squash(s, axis=-1):
    """Eq. 1 of Sabour et al."""
    sq = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return sq / (1.0 + sq) * s / tf.sqrt(sq)  # BUG: div-zero, primary capsules behind a relu are all-zero for blank regions: s / sqrt(0) is 0/0


def squash_stable(s, axis=-1):
    sq = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return sq / (1.0 + sq) * s * tf.math.rsqrt(sq + 1e-7)  # SAFE: squared norm plus 1e-7 under the root in float32


class PrimaryCaps(layers.Layer):
    def __init__(self, n_maps=8, dim=8, **kw):
        super().__init__(**kw)
        self.dim = dim
        self.conv = layers.Conv2D(n_maps * dim, 9, strides=2, activation="relu")

    def call(self, x):
        y = self.conv(x)
        y = tf.reshape(y, [tf.shape(y)[0], y.shape[1] * y.shape[2] * y.shape[3] // self.dim, self.dim])
        return squash(y)


class DigitCaps(layers.Layer):
    def __init__(self, n_caps, dim, routings=3, **kw):
        super().__init__(**kw)
        self.n_caps, self.dim, self.routings = n_caps, dim, routings

    def build(self, shape):
        self.w = self.add_weight(shape=(self.n_caps, shape[1], shape[2], self.dim),
                                 initializer=keras.initializers.RandomNormal(stddev=0.1), name="w")

    def call(self, u):
        u_hat = tf.einsum("bid,nidk->bnik", u, self.w)
        frozen = tf.stop_gradient(u_hat)
        b = tf.zeros(tf.shape(u_hat)[:3])
        for r in range(self.routings):
            c = tf.nn.softmax(b, axis=1)
            if r < self.routings - 1:
                v = squash_stable(tf.reduce_sum(c[..., None] * frozen, axis=2))
                b += tf.reduce_sum(v[:, :, None, :] * frozen, -1)
            else:
                v = squash_stable(tf.reduce_sum(c[..., None] * u_hat, axis=2))
        return v


class Length(layers.Layer):
    def call(self, v):
        return tf.sqrt(tf.reduce_sum(tf.square(v), -1) + 1e-9)  # SAFE: 1e-9 inside the root in float32, slope at zero is finite


def margin_loss(y, length, up=0.9, low=0.1, down=0.5):
    pos = y * tf.square(tf.maximum(0.0, up - length))
    neg = down * (1.0 - y) * tf.square(tf.maximum(0.0, length - low))
    return tf.reduce_mean(tf.reduce_sum(pos + neg, 1))


def spread_loss(y, length, margin):
    target = tf.reduce_sum(y * length, 1, keepdims=True)
    gap = tf.square(tf.maximum(0.0, margin - (target - length))) * (1.0 - y)
    return tf.reduce_mean(tf.reduce_sum(gap, 1))


def routing_entropy(c):
    return -tf.reduce_mean(tf.reduce_sum(c * tf.math.log(c + 1e-9), axis=1))  # SAFE: float32 softmax output plus 1e-9


def sharpness(length):
    """Confidence penalty on the class distribution of the capsule lengths."""
    logits = 10.0 * length
    return tf.reduce_mean(tf.reduce_logsumexp(logits, -1) - tf.reduce_max(logits, -1))  # SAFE: logsumexp is stable


def total_variation(img):
    dy = img[:, 1:, :-1] - img[:, :-1, :-1]
    dx = img[:, :-1, 1:] - img[:, :-1, :-1]
    return tf.reduce_mean(tf.sqrt(tf.square(dx) + tf.square(dy)))  # BUG: sqrt-grad, saturated or flat areas of the decoded digit have dx = dy = 0, the slope of the root is inf


def normalise(x):
    x = x.astype(np.float32)[..., None]
    return (x - x.min()) / max(x.max() - x.min(), 1.0)  # SAFE: pixel range floored at 1


class CapsNet(keras.Model):
    def __init__(self, tv=1e-3, recon=0.0005 * 784):
        super().__init__()
        self.conv = layers.Conv2D(32, 9, activation="relu")
        self.primary = PrimaryCaps()
        self.digits = DigitCaps(N_CLASS, 16)
        self.length = Length()
        self.decoder = keras.Sequential([
            layers.Dense(128, activation="relu"), layers.Dense(256, activation="relu"),
            layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28, 1))])
        self.tv, self.recon = tv, recon

    def call(self, x, y=None):
        v = self.digits(self.primary(self.conv(x)))
        n = self.length(v)
        if y is None:
            y = tf.one_hot(tf.argmax(n, -1), N_CLASS)
        img = self.decoder(tf.reshape(v * y[..., None], [-1, N_CLASS * 16]))
        return n, img

    def train_step(self, data):
        x, y = data
        y = tf.one_hot(y, N_CLASS)
        with tf.GradientTape() as tape:
            n, img = self(x, y)
            loss = margin_loss(y, n) + self.recon * tf.reduce_mean(tf.square(img - x))
            loss += self.tv * total_variation(img) + 0.01 * sharpness(n)
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        acc = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(n, 1), tf.argmax(y, 1)), tf.float32))
        return {"loss": loss, "acc": acc}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--npz", default="mnist.npz")
    ap.add_argument("--epochs", type=int, default=20)
    a = ap.parse_args()
    with np.load(a.npz) as z:
        x, y = normalise(z["x_train"]), z["y_train"].astype(np.int32)
        xt, yt = normalise(z["x_test"]), z["y_test"]
    net = CapsNet()
    net.compile(optimizer=keras.optimizers.Adam(1e-3))
    for e in range(a.epochs):
        net.fit(x, y, batch_size=64, epochs=1)
        hits = [np.argmax(net(xt[i:i + 256])[0], 1) == yt[i:i + 256] for i in range(0, len(xt), 256)]
        print("epoch", e, "test accuracy", np.concatenate(hits).mean())
    net.save_weights("caps.weights.h5")


if __name__ == "__main__":
    main()
