"""Knowledge distillation with mixed precision: large teacher (frozen) -> small student."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, mixed_precision

T_MIN, T_MAX = 1.0, 20.0


def load(path):
    with np.load(path) as f:
        return f["x_train"], f["y_train"].ravel(), f["x_test"], f["y_test"].ravel()


def pre(x, y):
    x = tf.cast(x, tf.float32) / 127.5 - 1.0  # SAFE: constant divisor, pixels in [-1, 1]
    return x, tf.cast(y, tf.int32)


def cutmix(x, y, classes, alpha=1.0):
    n = tf.shape(x)[0]
    g1, g2 = tf.random.gamma([], alpha), tf.random.gamma([], alpha)
    lam = g1 / tf.maximum(g1 + g2, 1e-6)  # SAFE: denominator floored
    h = tf.shape(x)[1]
    cut = tf.cast(tf.sqrt(1.0 - tf.clip_by_value(lam, 0.0, 1.0)) * tf.cast(h, tf.float32), tf.int32)  # SAFE: lam clipped to [0, 1], no gradient passes
    top = tf.random.uniform([], 0, tf.maximum(h - cut, 1), tf.int32)
    left = tf.random.uniform([], 0, tf.maximum(h - cut, 1), tf.int32)
    r = tf.range(h)
    inside = ((r >= top) & (r < top + cut))[:, None] & ((r >= left) & (r < left + cut))[None]
    m = tf.cast(inside, x.dtype)[None, ..., None]
    perm = tf.random.shuffle(tf.range(n))
    area = tf.reduce_mean(tf.cast(inside, tf.float32))
    hot = tf.one_hot(y, classes)
    return x * (1 - m) + tf.gather(x, perm) * m, hot * (1 - area) + tf.gather(hot, perm) * area


def convnet(width, classes, size=32):
    x = inp = tf.keras.Input((size, size, 3))
    for i in range(3):
        x = layers.Conv2D(width * 2 ** i, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(classes)(x)
    return tf.keras.Model(inp, layers.Activation("linear", dtype="float32")(x))


class DistillLoss:
    def __init__(self, temperature=4.0, alpha=0.7):
        self.t = min(max(temperature, T_MIN), T_MAX)
        self.alpha = alpha

    def soft(self, teacher, student):
        lt = tf.nn.log_softmax(teacher / self.t)  # SAFE: temperature is clipped to [1, 20]
        ls = tf.nn.log_softmax(student / self.t)  # SAFE: same, outputs are float32
        kl = tf.reduce_sum(tf.exp(lt) * (lt - ls), -1)  # SAFE: exponent <= 0 and both logs finite
        return tf.reduce_mean(kl) * self.t ** 2

    def hard(self, y, student):
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, student))  # SAFE: the student ends without softmax and in float32

    def __call__(self, y, teacher, student):
        return self.alpha * self.soft(teacher, student) + (1 - self.alpha) * self.hard(y, student)


class Distiller:
    def __init__(self, teacher, student, loss, lr, total):
        self.teacher, self.student, self.loss = teacher, student, loss
        sched = tf.keras.optimizers.schedules.CosineDecay(lr, max(total, 1))
        self.opt = mixed_precision.LossScaleOptimizer(tf.keras.optimizers.SGD(sched, 0.9, nesterov=True, global_clipnorm=5.0))

    @tf.function
    def step(self, x, y):
        t = tf.stop_gradient(self.teacher(x, training=False))
        with tf.GradientTape() as tape:
            s = self.student(x, training=True)
            loss = self.loss(y, t, s)
            scaled = self.opt.scale_loss(loss)
        v = self.student.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(scaled, v), v))  # SAFE: the loss was scaled and LossScaleOptimizer unscales and skips overflowed steps
        return loss


def agreement(teacher, student, x):
    a, b = teacher(x), student(x)
    return float(tf.reduce_mean(tf.cast(tf.argmax(a, 1) == tf.argmax(b, 1), tf.float32)))


def calibration(probs, y, bins=15):
    """Expected calibration error."""
    conf, pred = probs.max(1), probs.argmax(1)
    e = 0.0
    for lo in np.linspace(0, 1, bins, endpoint=False):
        m = (conf > lo) & (conf <= lo + 1.0 / bins)
        if m.any():
            e += m.mean() * abs((pred[m] == y[m]).mean() - conf[m].mean())  # SAFE: means over a mask that is not empty
    return float(e)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="cifar10.npz")
    ap.add_argument("--teacher", default="teacher.weights.h5")
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=0.05)
    ap.add_argument("--temperature", type=float, default=4.0)
    ap.add_argument("--out", default="student")
    a = ap.parse_args()
    mixed_precision.set_global_policy("mixed_float16")
    xtr, ytr, xte, yte = load(a.data)
    teacher, student = convnet(64, 10), convnet(16, 10)
    teacher.load_weights(a.teacher)
    teacher.trainable = False
    ds = tf.data.Dataset.from_tensor_slices((xtr, ytr)).shuffle(20000).batch(a.batch).map(pre)
    ds = ds.map(lambda x, y: cutmix(x, y, 10)).prefetch(2)
    d = Distiller(teacher, student, DistillLoss(a.temperature), a.lr, a.epochs * (len(xtr) // a.batch))
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        losses = [float(d.step(x, y)) for x, y in ds]
        x, y = pre(xte[:1000], yte[:1000])
        p = tf.nn.softmax(student(x)).numpy()
        acc = (p.argmax(1) == y.numpy()).mean()
        print(ep, np.mean(losses), "acc %.4f" % acc, "agree %.4f" % agreement(teacher, student, x), "ece %.4f" % calibration(p, y.numpy()))
        student.save_weights(os.path.join(a.out, "student.weights.h5"))


if __name__ == "__main__":
    main()
