"""Relative camera rotation from two feature vectors (6-D representation, geodesic loss)."""
import argparse
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def random_rotations(n, rng, max_angle=math.pi):
    axis = rng.standard_normal((n, 3))
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)  # SAFE: norm floored
    ang = rng.uniform(0, max_angle, n)
    K = np.zeros((n, 3, 3))
    K[:, 0, 1], K[:, 0, 2], K[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    K -= K.transpose(0, 2, 1)
    s, c = np.sin(ang)[:, None, None], np.cos(ang)[:, None, None]
    return (np.eye(3) + s * K + (1 - c) * K @ K).astype("f4")


class PairData:
    """Feature files: a, b (descriptors of the two views) and R (3x3)."""

    def __init__(self, path):
        with np.load(path) as f:
            self.a, self.b, self.R = f["a"].astype("f4"), f["b"].astype("f4"), f["R"].astype("f4")
        self.mu, self.sd = self.a.mean(0), self.a.std(0)

    def scaled(self, x):
        return (x - self.mu) / (self.sd + 1e-4)  # SAFE: 1e-4 added to a std >= 0

    def dataset(self, batch):
        t = (self.scaled(self.a), self.scaled(self.b), self.R)
        return tf.data.Dataset.from_tensor_slices(t).shuffle(4096).batch(batch)


def gram_schmidt(r6):
    """Zhou et al. 2019."""
    a, b = r6[..., :3], r6[..., 3:]
    x = tf.math.l2_normalize(a, -1)  # SAFE: epsilon inside l2_normalize
    b = b - tf.reduce_sum(x * b, -1, keepdims=True) * x
    y = tf.math.l2_normalize(b, -1)  # SAFE: same, parallel vectors give zero instead of NaN
    z = tf.linalg.cross(x, y)
    return tf.stack([x, y, z], -1)


class RotationNet(tf.keras.Model):
    def __init__(self, width=128, residual=True):
        super().__init__()
        self.f = tf.keras.Sequential([layers.Dense(width, "relu"), layers.Dense(width, "relu")])
        self.g = tf.keras.Sequential([layers.Dense(width, "relu"), layers.Dense(6, kernel_initializer="zeros")])
        self.identity = tf.constant([1.0, 0, 0, 0, 1.0, 0])

    def call(self, a, b):
        ha, hb = self.f(a), self.f(b)
        return gram_schmidt(self.g(tf.concat([ha, hb, ha - hb], -1)) + self.identity)


class GeodesicLoss:
    def __init__(self, chordal_weight=0.0):
        self.chordal_weight = chordal_weight

    def cosine(self, R, S):
        m = tf.matmul(R, S, transpose_a=True)
        return (tf.linalg.trace(m) - 1.0) / 2.0

    def angle(self, R, S):
        return tf.acos(self.cosine(R, S))  # BUG: domain, the trace of a near perfect pair is 3 or a rounding above it: acos of more than 1 is NaN and the slope at 1 is infinite

    def __call__(self, R, S):
        chord = tf.reduce_mean(tf.square(R - S), [1, 2])
        return tf.reduce_mean(self.angle(R, S) + self.chordal_weight * chord)


def angle_deg(R, S):
    """Error for reports: atan2 form."""
    m = np.einsum("nji,njk->nik", R, S)
    v = np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], 1)
    s, c = np.linalg.norm(v, axis=1) / 2, (np.trace(m, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arctan2(s, c))  # SAFE: arctan2 accepts (0, 0) and values outside [-1, 1]


def axis_of(R, eps=1e-6):
    v = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], 1)
    n = np.linalg.norm(v, axis=1, keepdims=True)
    return np.where(n > eps, v / np.maximum(n, eps), [[1.0, 0.0, 0.0]])  # SAFE: divisor floored, numpy without gradient


def recall(errors, thresholds=(5, 10, 20)):
    return {t: float(np.mean(errors < t)) for t in thresholds}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="pairs_train.npz")
    ap.add_argument("--test", default="pairs_test.npz")
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--chordal", type=float, default=0.1)
    a = ap.parse_args()
    tr, te = PairData(a.train), PairData(a.test)
    net, loss_fn = RotationNet(), GeodesicLoss(a.chordal)
    opt = tf.keras.optimizers.Adam(a.lr, clipnorm=1.0)

    @tf.function
    def step(x, y, R):
        with tf.GradientTape() as tape:
            loss = loss_fn(net(x, y), R)
        v = net.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    for ep in range(a.epochs):
        l = np.mean([float(step(*b)) for b in tr.dataset(a.batch)])
        err = angle_deg(net(tr.scaled(te.a), tr.scaled(te.b)).numpy(), te.R)
        print(ep, "loss %.4f" % l, "median %.2f deg" % np.median(err), recall(err))


if __name__ == "__main__":
    main()
