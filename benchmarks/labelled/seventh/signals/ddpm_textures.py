"""Denoising diffusion on 32x32 textures. Keras 3 model with custom train_step (TensorFlow backend)."""
import argparse
import math
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def cosine_alpha_bar(steps, s=0.008):
    t = np.arange(steps + 1, dtype=np.float64) / steps  # SAFE: number of diffusion steps, default 400
    f = np.cos((t + s) / (1 + s) * math.pi / 2) ** 2  # SAFE: 1 + s is the constant 1.008
    return f / f[0]  # SAFE: f[0] is cos^2 near 0, about 0.9998


class NoiseSchedule:
    def __init__(self, steps):
        bar = cosine_alpha_bar(steps)
        beta = np.clip(1.0 - bar[1:] / bar[:-1], 1e-5, 0.999)  # SAFE: float64 constants, bar[:-1] leaves out the final zero
        alpha = 1.0 - beta
        bar = np.cumprod(alpha)
        prev = np.append(1.0, bar[:-1])
        post = beta * (1.0 - prev) / (1.0 - bar)  # SAFE: bar <= 1 - 1e-5 because beta is clipped from below
        log_post = np.log(np.append(post[1], post[1:]))  # SAFE: the first entry (exactly 0) is replaced by the second
        cast = lambda x: tf.constant(x, tf.float32)
        self.steps = steps
        self.beta = cast(beta)
        self.sqrt_bar = cast(np.sqrt(bar))  # SAFE: cumulative product of numbers in (0, 1)
        self.sqrt_one_minus = cast(np.sqrt(1.0 - bar))  # SAFE: 1 - bar >= 1e-5
        self.recip_sqrt_alpha = cast(1.0 / np.sqrt(alpha))  # SAFE: alpha >= 0.001 after the clip of beta
        self.log_post = cast(log_post)
        self.snr = cast(bar / (1.0 - bar))  # SAFE: 1 - bar >= 1e-5

    def at(self, table, t):
        return tf.reshape(tf.gather(table, t), [-1, 1, 1, 1])


@keras.saving.register_keras_serializable("ddpm")
class TimeEmbedding(layers.Layer):
    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.dim = dim

    def call(self, t):
        half = self.dim // 2
        freq = ops.exp(-math.log(10000.0) * ops.arange(half, dtype="float32") / (half - 1))  # SAFE: dim is at least 4 (64 in build_unet), the exponent is in [-9.3, 0]
        ang = ops.cast(t, "float32")[:, None] * freq[None]
        return ops.concatenate([ops.sin(ang), ops.cos(ang)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


@keras.saving.register_keras_serializable("ddpm")
class QKNormAttention(layers.Layer):
    """Single head attention with normalised queries and keys."""

    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.dim = dim
        self.qkv = layers.Dense(3 * dim, use_bias=False)
        self.proj = layers.Dense(dim, kernel_initializer="zeros")  # SAFE: zero init only on the residual output, the branch starts as identity and still gets gradient

    def build(self, shape):
        self.log_scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(math.log(10.0)), name="log_scale")
        self.qkv.build(shape)
        self.proj.build(shape)

    def call(self, x):
        shape = ops.shape(x)
        q, k, v = ops.split(self.qkv(ops.reshape(x, (shape[0], shape[1] * shape[2], self.dim))), 3, axis=-1)
        q = q * ops.rsqrt(ops.sum(ops.square(q), -1, keepdims=True) + 1e-6)  # SAFE: sum of squares plus 1e-6
        k = k * ops.rsqrt(ops.sum(ops.square(k), -1, keepdims=True) + 1e-6)  # SAFE: sum of squares plus 1e-6
        scale = ops.exp(ops.minimum(self.log_scale, math.log(100.0)))  # SAFE: log_scale capped at log(100)
        att = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) * scale, axis=-1)
        y = self.proj(ops.matmul(att, v))
        return x + ops.reshape(y, shape)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


def res_block(x, emb, width):
    skip = x if x.shape[-1] == width else layers.Conv2D(width, 1)(x)
    h = layers.GroupNormalization(8, epsilon=1e-5)(x)
    h = layers.Conv2D(width, 3, padding="same")(layers.Activation("silu")(h))
    h = layers.Add()([h, layers.Reshape((1, 1, width))(layers.Dense(width)(emb))])
    h = layers.GroupNormalization(8, epsilon=1e-5)(h)
    h = layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros")(layers.Activation("silu")(h))
    return layers.Add()([skip, h])


def build_unet(size=32, channels=3, widths=(32, 64)):
    img = keras.Input((size, size, channels))
    t = keras.Input((), dtype="int32")
    emb = layers.Dense(64, activation="silu")(TimeEmbedding(64)(t))
    x = layers.Conv2D(widths[0], 3, padding="same")(img)
    skips = []
    for w in widths:
        x = res_block(x, emb, w)
        skips.append(x)
        x = layers.AveragePooling2D(2)(x)
    x = QKNormAttention(widths[-1])(res_block(x, emb, widths[-1]))
    for w in reversed(widths):
        x = layers.UpSampling2D()(x)
        x = res_block(layers.Concatenate()([x, skips.pop()]), emb, w)
    return keras.Model([img, t], layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(x))


class Diffusion(keras.Model):
    def __init__(self, net, ema_net, schedule, gamma=5.0, decay=0.999):
        super().__init__()
        self.net, self.ema_net = net, ema_net
        self.schedule = schedule
        self.gamma = gamma
        self.decay = decay
        self.loss_metric = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_metric]

    def min_snr(self, t):
        snr = tf.gather(self.schedule.snr, t)
        return tf.minimum(snr, self.gamma) / snr  # SAFE: snr > 0, alpha is at least 0.001 in every step and float32 keeps the product above 1e-9

    def train_step(self, images):
        s = self.schedule
        n = tf.shape(images)[0]
        t = tf.random.uniform([n], 0, s.steps, tf.int32)
        eps = tf.random.normal(tf.shape(images))
        noisy = s.at(s.sqrt_bar, t) * images + s.at(s.sqrt_one_minus, t) * eps
        with tf.GradientTape() as tape:
            pred = self.net([noisy, t], training=True)
            per_image = tf.reduce_mean(tf.square(pred - eps), [1, 2, 3])
            loss = tf.reduce_mean(self.min_snr(t) * per_image)
        v = self.net.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        for a, b in zip(self.ema_net.weights, self.net.weights):
            a.assign(self.decay * a + (1.0 - self.decay) * b)
        self.loss_metric.update_state(loss)
        return {"loss": self.loss_metric.result()}

    def sample(self, n, size=32, channels=3):
        s = self.schedule
        x = tf.random.normal((n, size, size, channels))
        for i in reversed(range(s.steps)):
            t = tf.fill([n], i)
            eps = self.ema_net([x, t], training=False)
            x0 = (x - s.sqrt_one_minus[i] * eps) / s.sqrt_bar[i]  # SAFE: sqrt_bar is positive in float32 for every step, the result is clipped below
            x0 = tf.clip_by_value(x0, -1.0, 1.0)
            eps = (x - s.sqrt_bar[i] * x0) / s.sqrt_one_minus[i]  # SAFE: sqrt_one_minus >= 0.003
            mean = s.recip_sqrt_alpha[i] * (x - s.beta[i] / s.sqrt_one_minus[i] * eps)  # SAFE: sqrt_one_minus >= 0.003
            x = mean
            if i > 0:
                x += tf.exp(0.5 * s.log_post[i]) * tf.random.normal(tf.shape(x))  # SAFE: table of constants below 0
        return tf.cast(tf.clip_by_value(127.5 * (x + 1.0), 0, 255), tf.uint8)


def load_images(path):
    x = np.load(path)
    return x.astype("float32") / 127.5 - 1.0  # SAFE: constant divisor


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="textures.npy")
    ap.add_argument("--steps", type=int, default=400)
    ap.add_argument("--epochs", type=int, default=200)
    ap.add_argument("--lr", type=float, default=2e-4)
    a = ap.parse_args()
    ds = tf.data.Dataset.from_tensor_slices(load_images(a.data)).shuffle(4096).batch(64, drop_remainder=True)
    net, ema = build_unet(), build_unet()
    ema.set_weights(net.get_weights())
    model = Diffusion(net, ema, NoiseSchedule(a.steps))
    model.compile(optimizer=keras.optimizers.Adam(a.lr, clipnorm=1.0))
    model.fit(ds, epochs=a.epochs)
    np.save("samples.npy", model.sample(16).numpy())
    ema.save("ddpm_ema.keras")


if __name__ == "__main__":
    main()
