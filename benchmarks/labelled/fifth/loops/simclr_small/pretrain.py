import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

import objectives
import options


def augment(img):
    img = tf.cast(img, tf.float32) / 255.0
    img = tf.image.random_crop(tf.pad(img, [[4, 4], [4, 4], [0, 0]], "REFLECT"), [32, 32, 3])
    img = tf.image.random_flip_left_right(img)
    img = tf.image.random_brightness(img, 0.3)
    img = tf.image.random_contrast(img, 0.6, 1.4)
    return tf.clip_by_value(img, 0.0, 1.0) * 2.0 - 1.0


def two_views(img):
    return augment(img), augment(img)


def encoder(width):
    x = inp = tf.keras.Input((32, 32, 3))
    for i in range(4):
        x = layers.Conv2D(width * 2 ** i, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(epsilon=1e-5)(x)
        x = layers.ReLU()(x)
    return tf.keras.Model(inp, layers.GlobalAveragePooling2D()(x))


def projector(dim):
    return tf.keras.Sequential([layers.Dense(256, activation="relu"), layers.Dense(dim)])


class Cosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warm, total):
        self.peak, self.warm, self.total = peak, float(warm), float(max(total, warm + 1))

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = s / self.warm  # SAFE: warmup > 0 is asserted in the options
        frac = tf.clip_by_value((s - self.warm) / (self.total - self.warm), 0.0, 1.0)  # SAFE: total is at least warm + 1
        return self.peak * tf.where(s < self.warm, up, 0.5 * (1.0 + tf.cos(math.pi * frac)))


def main(argv=None):
    a = options.parse(argv)
    x = np.load(a.images)
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(20000).map(two_views, tf.data.AUTOTUNE)
    ds = ds.batch(a.batch, drop_remainder=True).prefetch(2)
    enc, proj = encoder(a.width), projector(a.proj_dim)
    loss_fn = objectives.HardNegativeLoss(a.temperature, a.hard_beta, a.tau_plus)
    per_epoch = max(1, len(x) // a.batch)
    opt = tf.keras.optimizers.SGD(Cosine(a.lr, a.warmup * per_epoch, a.epochs * per_epoch), a.momentum, nesterov=True)

    @tf.function
    def step(v1, v2):
        with tf.GradientTape() as tape:
            h = proj(enc(tf.concat([v1, v2], 0), training=True), training=True)
            z1, z2 = tf.split(h, 2)
            loss = loss_fn(z1, z2)
        v = enc.trainable_variables + proj.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss, objectives.nt_xent(z1, z2), z1, z2

    os.makedirs(a.workdir, exist_ok=True)
    for ep in range(a.epochs):
        for v1, v2 in ds:
            loss, xent, z1, z2 = step(v1, v2)
        al, un = objectives.alignment_uniformity(z1, z2)
        print(f"{ep} loss {loss:.4f} xent {xent:.4f} align {al:.3f} uniform {un:.3f}")
        enc.save_weights(os.path.join(a.workdir, "encoder.weights.h5"))


if __name__ == "__main__":
    main()
