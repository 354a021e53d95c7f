"""x2 super resolution (EDSR-like residual network) with half precision activations."""
import argparse
import glob
import os
import random

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SCALE = 2
PATCH = 96
keras.mixed_precision.set_dtype_policy("mixed_float16")


def residual_block(x, width, scaling=0.1):
    y = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(width, 3, padding="same")(y)
    y = layers.Rescaling(scaling)(y)
    return layers.Add()([x, y])


class DepthToSpace(layers.Layer):
    def call(self, x):
        return tf.nn.depth_to_space(x, SCALE)

    def compute_output_shape(self, s):
        up = lambda d: None if d is None else d * SCALE
        return (s[0], up(s[1]), up(s[2]), s[3] // SCALE ** 2)


class ChannelAttention(layers.Layer):
    """RCAN style; pooling in float32 because the sum over a frame does not fit half."""

    def __init__(self, width, **kw):
        super().__init__(**kw)
        self.down = layers.Dense(width // 4, activation="relu")
        self.up = layers.Dense(width, activation="sigmoid")

    def call(self, x):
        n = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32)
        s = tf.reduce_sum(tf.cast(x, tf.float32), [1, 2]) / n  # SAFE: float32 sum, n is the number of pixels of a frame
        return x * self.up(self.down(s))[:, None, None, :]


def build(width=32, blocks=4):
    inp = keras.Input((None, None, 3))
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(inp)  # SAFE: bytes are mapped to [-1, 1] inside the model
    head = x = layers.Conv2D(width, 3, padding="same")(x)
    for _ in range(blocks):
        x = ChannelAttention(width)(residual_block(x, width))
    x = layers.Add()([x, head])
    x = layers.Conv2D(width * SCALE ** 2, 3, padding="same")(x)
    x = DepthToSpace()(x)
    return keras.Model(inp, layers.Conv2D(3, 3, padding="same")(x))


def charbonnier(hr, sr):
    """sr is the half precision output of the network."""
    hr = tf.cast(hr, sr.dtype)
    return tf.reduce_mean(tf.sqrt(tf.square(hr - sr) + 1e-6 ** 2))  # BUG: weak-guard, 1e-12 is 0 in float16: a pixel with hr == sr (or a difference whose square underflows) has an infinite slope


def total_energy(hr, sr):
    d = tf.cast(hr, sr.dtype) - sr
    return tf.reduce_mean(tf.reduce_sum(d * d, axis=[1, 2, 3]))  # BUG: half, the sum over a 192x192x3 patch exceeds 65504 in float16 as soon as the mean squared difference passes 0.6, as for dark patches (target -1) at the start


def l1(hr, sr):
    return tf.reduce_mean(tf.abs(hr - tf.cast(sr, tf.float32)))


def sobel_loss(hr, sr):
    a = tf.image.sobel_edges(hr)
    b = tf.image.sobel_edges(tf.cast(sr, tf.float32))
    mag = lambda e: tf.sqrt(tf.reduce_sum(tf.square(e), -1) + 1e-8)  # SAFE: computed in float32, 1e-8 inside the root
    return tf.reduce_mean(tf.abs(mag(a) - mag(b)))


def psnr(hr, sr):
    x = tf.clip_by_value(tf.cast(sr, tf.float32), -1.0, 1.0)
    mse = tf.reduce_mean(tf.square(x - hr), [1, 2, 3])
    return tf.reduce_mean(10.0 * tf.math.log(4.0 / tf.maximum(mse, 1e-10)) / tf.math.log(10.0))  # SAFE: float32 with a floor of 1e-10


LOSSES = {"charbonnier": charbonnier, "energy": total_energy, "l1": l1}


class SuperRes(keras.Model):
    def __init__(self, net, loss, edge):
        super().__init__()
        self.net = net
        self.rec = LOSSES[loss]
        self.edge = edge
        self.m_loss = keras.metrics.Mean(name="loss")
        self.m_psnr = keras.metrics.Mean(name="psnr")

    @property
    def metrics(self):
        return [self.m_loss, self.m_psnr]

    def call(self, x, training=False):
        return self.net(x, training=training)

    def train_step(self, data):
        lr, hr = data
        with tf.GradientTape() as tape:
            sr = self(lr, training=True)
            loss = tf.cast(self.rec(hr, sr), tf.float32) + self.edge * sobel_loss(hr, sr)
            scaled = self.optimizer.scale_loss(loss)  # SAFE: LossScaleOptimizer from compile under the mixed policy
        v = self.net.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, v), v)
        self.m_loss.update_state(loss)
        self.m_psnr.update_state(psnr(hr, sr))
        return {m.name: m.result() for m in self.metrics}


def random_patch(img):
    s = PATCH * SCALE
    y = random.randint(0, img.shape[0] - s)
    x = random.randint(0, img.shape[1] - s)
    hr = img[y:y + s, x:x + s].astype(np.float32)
    if random.random() < 0.5:
        hr = hr[:, ::-1]
    lr = hr.reshape(PATCH, SCALE, PATCH, SCALE, 3).mean((1, 3))
    return lr, hr / 127.5 - 1.0  # SAFE: constant, targets in [-1, 1] like the inputs after Rescaling


def patches(folder):
    files = glob.glob(os.path.join(folder, "*.npy"))
    for _ in range(1000):
        yield random_patch(np.load(random.choice(files), mmap_mode="r"))


def self_ensemble(net, x):
    """Average over the eight flips and rotations."""
    acc = 0.0
    for k in range(4):
        for flip in (False, True):
            y = tf.image.rot90(x, k)
            y = tf.image.flip_left_right(y) if flip else y
            y = tf.cast(net(y), tf.float32)
            y = tf.image.flip_left_right(y) if flip else y
            acc += tf.image.rot90(y, -k % 4)
    return acc / 8.0  # SAFE: constant


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--loss", default="charbonnier", choices=sorted(LOSSES))
    ap.add_argument("--edge", type=float, default=0.05)
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--epochs", type=int, default=100)
    a = ap.parse_args()
    s = PATCH * SCALE
    sig = (tf.TensorSpec([PATCH, PATCH, 3]), tf.TensorSpec([s, s, 3]))
    ds = tf.data.Dataset.from_generator(lambda: patches(a.folder), output_signature=sig).batch(16).prefetch(2)
    model = SuperRes(build(), a.loss, a.edge)
    model.compile(optimizer=keras.optimizers.Adam(a.lr))
    model.fit(ds, epochs=a.epochs)
    model.net.save("edsr_x2.keras")
    lr, hr = next(iter(ds))
    print("self ensemble PSNR", float(psnr(hr, self_ensemble(model.net, lr))))


if __name__ == "__main__":
    main()
