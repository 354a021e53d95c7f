"""Lung lobe segmentation on chest CT slices, mixed precision with a custom train step."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, mixed_precision

SIZE = 512
CLASSES = 6


def window_ct(hu, center=-600.0, width=1500.0):
    lo = center - width / 2.0
    return np.clip((hu.astype("float32") - lo) / width, 0.0, 1.0)  # SAFE: width is a positive constant


def npz_dataset(folder, batch, training=True):
    files = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".npz"))

    def gen():
        order = np.random.permutation(len(files)) if training else range(len(files))
        for i in order:
            with np.load(files[i]) as z:
                yield window_ct(z["ct"])[..., None], z["lobes"].astype("int32")

    sig = (tf.TensorSpec((SIZE, SIZE, 1), tf.float32), tf.TensorSpec((SIZE, SIZE), tf.int32))
    return tf.data.Dataset.from_generator(gen, output_signature=sig).batch(batch, drop_remainder=True).prefetch(2)


def block(x, n):
    x = layers.Conv2D(n, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-3)(x)  # SAFE: 1e-3 is fine for half, and Keras computes the moments in float32
    return layers.Activation("relu")(x)


def build(size=SIZE, base=16, depth=3, classes=CLASSES):
    inp = keras.Input((size, size, 1))
    x, skips = inp, []
    for d in range(depth):
        x = block(x, base * 2 ** d)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, base * 2 ** depth)
    for d in reversed(range(depth)):
        x = layers.UpSampling2D()(x)
        x = layers.Concatenate()([x, skips[d]])
        x = block(x, base * 2 ** d)
    return keras.Model(inp, layers.Conv2D(classes, 1, activation="softmax", name="prob")(x))


def focal_term(hot, prob, gamma=2.0):
    eps = tf.cast(1e-8, prob.dtype)
    ce = -hot * tf.math.log(prob + eps)  # BUG: weak-guard, the output layer is float16 under the policy, 1e-8 rounds to 0 there and softmax gives exact zeros
    return tf.reduce_mean(tf.cast(tf.pow(1.0 - prob, gamma) * ce, tf.float32))  # SAFE: power 2 of a number in [0, 1], the mean is taken in float32


def dice_term(hot, prob):
    inter = tf.reduce_sum(hot * prob, axis=[1, 2])  # BUG: half, float16 sum over 512*512 pixels, the background passes 65504
    area = tf.reduce_sum(hot, axis=[1, 2]) + tf.reduce_sum(prob, axis=[1, 2])  # BUG: half, the background covers most of 512*512 pixels and its float16 sum is above 65504
    return 1.0 - tf.reduce_mean((2.0 * inter + 1.0) / (area + 1.0))  # MAYBE: no zero here, but it sees the two sums above


def boundary_term(hot, prob):
    p = tf.cast(prob, tf.float32)
    h = tf.cast(hot, tf.float32)
    dy = tf.abs(p[:, 1:] - p[:, :-1]) * (1.0 - tf.abs(h[:, 1:] - h[:, :-1]))
    dx = tf.abs(p[:, :, 1:] - p[:, :, :-1]) * (1.0 - tf.abs(h[:, :, 1:] - h[:, :, :-1]))
    return (tf.reduce_sum(dy) + tf.reduce_sum(dx)) / tf.cast(tf.size(p), tf.float32)  # SAFE: sums are float32 and the size is positive


class Trainer(keras.Model):
    def __init__(self, net, w_focal=1.0, w_dice=1.0, w_boundary=0.1):
        super().__init__()
        self.net = net
        self.w = (w_focal, w_dice, w_boundary)
        self.tracker = keras.metrics.Mean(name="loss")
        self.iou = keras.metrics.MeanIoU(num_classes=CLASSES, sparse_y_pred=False, name="miou")  # SAFE: Keras divides with divide_no_nan

    @property
    def metrics(self):
        return [self.tracker, self.iou]

    def call(self, x, training=False):
        return self.net(x, training=training)

    def criterion(self, y, prob):
        hot = tf.one_hot(y, CLASSES, dtype=prob.dtype)
        f, d, b = focal_term(hot, prob), dice_term(hot, prob), boundary_term(hot, prob)
        return self.w[0] * f + self.w[1] * tf.cast(d, tf.float32) + self.w[2] * b

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            prob = self(x, training=True)
            loss = self.criterion(y, prob)
        v = self.trainable_variables
        grads = tape.gradient(loss, v)
        self.optimizer.apply_gradients(zip(grads, v))  # BUG: half, compile wraps Adam in a LossScaleOptimizer but the loss is never scaled, so half gradients underflow and are divided by 32768 here
        self.tracker.update_state(loss)
        self.iou.update_state(y, tf.cast(prob, tf.float32))
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        prob = tf.cast(self(x, training=False), tf.float32)
        p = tf.clip_by_value(prob, 1e-6, 1.0)
        hot = tf.one_hot(y, CLASSES)
        self.tracker.update_state(-tf.reduce_mean(tf.reduce_sum(hot * tf.math.log(p), -1)))  # SAFE: float32 and clipped at 1e-6
        self.iou.update_state(y, prob)
        return {m.name: m.result() for m in self.metrics}


def make_trainer(lr, size=SIZE):
    model = Trainer(build(size))
    model.compile(optimizer=keras.optimizers.Adam(lr, epsilon=1e-7))  # SAFE: the variables and slots are float32 under the policy, 1e-7 does not vanish
    return model


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="ct/train")
    ap.add_argument("--valid", default="ct/valid")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--epochs", type=int, default=50)
    a = ap.parse_args()
    mixed_precision.set_global_policy("mixed_float16")
    model = make_trainer(a.lr)
    model.fit(npz_dataset(a.train, a.batch), validation_data=npz_dataset(a.valid, a.batch, False), epochs=a.epochs,
              callbacks=[keras.callbacks.BackupAndRestore("backup")])
    model.net.save("lobes.keras")


if __name__ == "__main__":
    main()
