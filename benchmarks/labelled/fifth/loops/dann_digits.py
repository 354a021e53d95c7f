"""Domain-adversarial training (Ganin et al.) MNIST -> USPS with a domain critic on features."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


@tf.custom_gradient
def _reverse(x, lam):
    def grad(dy):
        return -lam * dy, None
    return tf.identity(x), grad


def ramp(step, total, gamma=10.0):
    p = min(1.0, step / float(max(total, 1)))  # SAFE: total floored at 1
    return 2.0 / (1.0 + np.exp(-gamma * p)) - 1.0  # SAFE: p in [0, 1], exponent between -10 and 0


def load_digits(path, key_x, key_y):
    with np.load(path) as f:
        x, y = f[key_x], f[key_y]
    if x.ndim == 3:
        x = x[..., None]
    x = x.astype("float32")
    if x.max() > 1.5:
        x /= 255.0  # SAFE: constant divisor
    return x, y.astype("int32").ravel()


class FeatureNet(tf.keras.Model):
    def __init__(self, dim=64):
        super().__init__()
        self.c = tf.keras.Sequential([
            layers.Conv2D(32, 5, activation="relu"), layers.MaxPool2D(),
            layers.Conv2D(48, 5, activation="relu"), layers.MaxPool2D(),
            layers.Flatten(), layers.Dense(dim)])

    def call(self, x):
        return self.c(tf.image.resize(x, [28, 28]))


class DANN:
    def __init__(self, lr=1e-3, entropy_weight=0.1):
        self.feat = FeatureNet()
        self.label = tf.keras.Sequential([layers.Dense(100, "relu"), layers.Dense(10)])
        self.domain = tf.keras.Sequential([layers.Dense(100, "relu"), layers.Dense(100, "relu"), layers.Dense(1)])
        self.opt = tf.keras.optimizers.Adam(lr)
        self.entropy_weight = entropy_weight

    def domain_loss(self, fs, ft, lam):
        ds = self.domain(_reverse(fs, lam))
        dt = self.domain(_reverse(ft, lam))
        return -tf.reduce_mean(tf.math.log(tf.sigmoid(ds))) - tf.reduce_mean(tf.math.log(1.0 - tf.sigmoid(dt)))  # BUG: log-sigmoid, a target sample that the critic takes for source with a logit above 17 makes 1 - sigmoid 0 in float32; the logits are not bounded

    def target_entropy(self, logits):
        lp = tf.nn.log_softmax(logits)  # SAFE: stable primitive
        return -tf.reduce_mean(tf.reduce_sum(tf.exp(lp) * lp, -1))  # SAFE: exponent <= 0 and lp finite

    def coral(self, a, b):
        def cov(x):
            x = x - tf.reduce_mean(x, 0, keepdims=True)
            return tf.matmul(x, x, transpose_a=True) / tf.maximum(tf.cast(tf.shape(x)[0], tf.float32) - 1.0, 1.0)  # SAFE: floored at 1 for a batch of one sample
        d = tf.cast(tf.shape(a)[1], tf.float32)
        return tf.reduce_sum(tf.square(cov(a) - cov(b))) / (4.0 * d * d)  # SAFE: feature size is 64

    @property
    def variables(self):
        return self.feat.trainable_variables + self.label.trainable_variables + self.domain.trainable_variables

    @tf.function
    def step(self, xs, ys, xt, lam):
        with tf.GradientTape() as tape:
            fs, ft = self.feat(xs), self.feat(xt)
            ls = self.label(fs)
            cls = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(ys, ls))  # SAFE: raw logits into the op that expects them
            dom = self.domain_loss(fs, ft, lam)
            ent = self.target_entropy(self.label(ft))
            loss = cls + dom + self.entropy_weight * lam * ent + 0.1 * self.coral(fs, ft)
        v = self.variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return cls, dom, ent

    def accuracy(self, x, y, batch=1000):
        hit = 0
        for i in range(0, len(x), batch):
            hit += int(np.sum(np.argmax(self.label(self.feat(x[i:i + batch])), 1) == y[i:i + batch]))
        return hit / max(len(x), 1)  # SAFE: floored at 1


def proxy_a_distance(err):
    return 2.0 * (1.0 - 2.0 * min(err, 1.0 - err))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--source", default="mnist.npz")
    p.add_argument("--target", default="usps.npz")
    p.add_argument("--steps", type=int, default=10000)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--out", default="dann_out")
    a = p.parse_args()
    xs, ys = load_digits(a.source, "x_train", "y_train")
    xt, yt = load_digits(a.target, "x_train", "y_train")
    xe, ye = load_digits(a.target, "x_test", "y_test")
    mean = xs.mean()
    xs, xt, xe = xs - mean, xt - mean, xe - mean
    mk = lambda t: iter(tf.data.Dataset.from_tensor_slices(t).shuffle(10000).repeat().batch(a.batch))
    src, tgt = mk((xs, ys)), mk(xt)
    model = DANN()
    for t in range(a.steps):
        (bx, by), bt = next(src), next(tgt)
        out = model.step(bx, by, bt, tf.constant(ramp(t, a.steps), tf.float32))
        if t % 200 == 0:
            print(t, *("%.4f" % float(o) for o in out), "target acc %.4f" % model.accuracy(xe, ye))
    os.makedirs(a.out, exist_ok=True)
    model.feat.save_weights(os.path.join(a.out, "feat.weights.h5"))


if __name__ == "__main__":
    main()
