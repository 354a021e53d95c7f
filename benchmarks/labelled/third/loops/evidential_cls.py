"""Evidential classification (Sensoy et al. 2018): Dirichlet evidence, annealed KL, custom loop."""
import argparse
import os

import numpy as np
import tensorflow as tf


def lenet(n):
    return tf.keras.Sequential([
        tf.keras.layers.Input((28, 28, 1)),
        tf.keras.layers.Rescaling(1.0 / 255.0),  # SAFE: pixels are scaled inside the model
        tf.keras.layers.Conv2D(20, 5, activation="relu"),
        tf.keras.layers.MaxPooling2D(),
        tf.keras.layers.Conv2D(50, 5, activation="relu"),
        tf.keras.layers.MaxPooling2D(),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(500, activation="relu"),
        tf.keras.layers.Dense(n),
    ])


def relu_evidence(z):
    return tf.nn.relu(z)


def softplus_evidence(z):
    return tf.nn.softplus(z)  # SAFE: softplus is stable for large values


def exp_evidence(z):
    return tf.exp(tf.clip_by_value(z, -10.0, 10.0))  # SAFE: clipped to [-10, 10] as in the original code


EVIDENCE = {"relu": relu_evidence, "softplus": softplus_evidence, "exp": exp_evidence}


def kl_uniform(alpha, k):
    s = tf.reduce_sum(alpha, 1, keepdims=True)
    lnb = tf.math.lgamma(s) - tf.reduce_sum(tf.math.lgamma(alpha), 1, keepdims=True)
    dg = tf.math.digamma(alpha) - tf.math.digamma(s)
    lnb_uni = -tf.math.lgamma(tf.cast(k, tf.float32))  # SAFE: k is the number of classes
    return tf.reduce_sum((alpha - 1.0) * dg, 1, keepdims=True) + lnb + lnb_uni


def mse_bayes(y, alpha):
    s = tf.reduce_sum(alpha, 1, keepdims=True)
    m = alpha / s  # SAFE: every alpha is evidence + 1, so s >= the number of classes
    err = tf.reduce_sum(tf.square(y - m), 1, keepdims=True)
    var = tf.reduce_sum(m * (1.0 - m) / (s + 1.0), 1, keepdims=True)  # SAFE: s >= the number of classes
    return err + var


class Evidential:
    def __init__(self, n, evidence, anneal):
        self.n, self.anneal = n, anneal
        self.net = lenet(n)
        self.evidence = EVIDENCE[evidence]
        self.opt = tf.keras.optimizers.Adam(1e-3)
        self.step_no = tf.Variable(0.0, trainable=False)

    def alpha(self, x, training=False):
        return self.evidence(self.net(x, training=training)) + 1.0

    def loss(self, y, alpha):
        lam = tf.minimum(1.0, self.step_no / float(self.anneal))  # SAFE: anneal is a positive constant of main
        misleading = y + (1.0 - y) * alpha
        return tf.reduce_mean(mse_bayes(y, alpha) + lam * kl_uniform(misleading, self.n))

    @tf.function
    def train_step(self, x, y):
        hot = tf.one_hot(y, self.n)
        with tf.GradientTape() as tape:
            loss = self.loss(hot, self.alpha(x, training=True))
        v = self.net.trainable_variables
        g, gn = tf.clip_by_global_norm(tape.gradient(loss, v), 10.0)
        self.opt.apply_gradients(zip(g, v))
        self.step_no.assign_add(1.0)
        return loss, gn

    def uncertainty(self, x):
        a = self.alpha(x)
        s = tf.reduce_sum(a, 1)
        return tf.argmax(a, 1), self.n / s  # SAFE: s >= the number of classes, prediction only


def load(path):
    with np.load(path) as f:
        return (f["x_train"][..., None], f["y_train"].astype(np.int32)), (f["x_test"][..., None], f["y_test"].astype(np.int32))


def rejection_curve(pred, unc, y, points=10):
    order = np.argsort(unc)
    ok = (pred == y)[order]
    cuts = [max(int(len(y) * (i + 1) / points), 1) for i in range(points)]  # SAFE: points is 10
    return [float(ok[:c].mean()) for c in cuts]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default=os.path.expanduser("~/.keras/datasets/mnist.npz"))
    ap.add_argument("--evidence", choices=sorted(EVIDENCE), default="exp")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=256)
    a = ap.parse_args()
    (xt, yt), (xv, yv) = load(a.data)
    ev = Evidential(10, a.evidence, anneal=2000)
    ds = tf.data.Dataset.from_tensor_slices((xt, yt)).shuffle(60000).batch(a.batch)
    for ep in range(a.epochs):
        for x, y in ds:
            loss, gn = ev.train_step(tf.cast(x, tf.float32), y)
        p, u = ev.uncertainty(tf.cast(xv[:2000], tf.float32))
        print(ep, float(loss), float(gn), rejection_curve(p.numpy(), u.numpy(), yv[:2000]))


if __name__ == "__main__":
    main()
