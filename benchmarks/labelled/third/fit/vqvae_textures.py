"""VQ-VAE (EMA codebook) on texture crops, plus a helper for code statistics."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class VectorQuantizerEMA(layers.Layer):
    def __init__(self, n_codes, dim, decay=0.99, commitment=0.25, epsilon=1e-5, **kw):
        super().__init__(**kw)
        self.n_codes, self.dim = n_codes, dim
        self.decay, self.commitment, self.epsilon = decay, commitment, epsilon

    def build(self, shape):
        self.codebook = self.add_weight(name="codebook", shape=(self.n_codes, self.dim), trainable=False,
                                        initializer=keras.initializers.RandomUniform(-1.0 / self.n_codes, 1.0 / self.n_codes))  # SAFE: n_codes is a positive integer option, 512 by default
        self.cluster_size = self.add_weight(name="cluster_size", shape=(self.n_codes,), trainable=False, initializer="ones")
        self.ema_sum = self.add_weight(name="ema_sum", shape=(self.n_codes, self.dim), trainable=False, initializer="zeros")
        self.ema_sum.assign(self.codebook)
        self.usage = self.add_weight(name="usage", shape=(), trainable=False, initializer="zeros")

    def distances(self, flat):
        return (tf.reduce_sum(flat ** 2, axis=1, keepdims=True)
                - 2.0 * tf.matmul(flat, self.codebook, transpose_b=True)
                + tf.reduce_sum(tf.convert_to_tensor(self.codebook) ** 2, axis=1)[None])

    def update_codebook(self, flat, hot):
        n = tf.reduce_sum(hot, axis=0)
        s = tf.matmul(hot, flat, transpose_a=True)
        self.cluster_size.assign(self.decay * self.cluster_size + (1.0 - self.decay) * n)
        self.ema_sum.assign(self.decay * self.ema_sum + (1.0 - self.decay) * s)
        total = tf.reduce_sum(self.cluster_size)
        smooth = (self.cluster_size + self.epsilon) / (total + self.n_codes * self.epsilon) * total  # SAFE: Laplace smoothing, counts are not negative
        self.codebook.assign(self.ema_sum / tf.maximum(smooth[:, None], 1e-12))  # SAFE: smoothed counts are positive and floored

    def call(self, z, training=False):
        shape = tf.shape(z)
        flat = tf.reshape(z, (-1, self.dim))
        idx = tf.argmin(self.distances(flat), axis=1)
        hot = tf.one_hot(idx, self.n_codes)
        q = tf.reshape(tf.matmul(hot, self.codebook), shape)
        if training:
            self.update_codebook(tf.stop_gradient(flat), hot)
        self.add_loss(self.commitment * tf.reduce_mean(tf.square(tf.stop_gradient(q) - z)))
        p = tf.reduce_mean(hot, axis=0)
        perplexity = tf.exp(-tf.reduce_sum(p * tf.math.log(p + 1e-10)))  # SAFE: 1e-10 is representable in float32 and the entropy is at most log(n_codes); not in the loss
        self.usage.assign(perplexity)
        return z + tf.stop_gradient(q - z)


class Residual(layers.Layer):
    def __init__(self, ch, **kw):
        super().__init__(**kw)
        self.c1 = layers.Conv2D(ch // 2, 3, padding="same", activation="relu")
        self.c2 = layers.Conv2D(ch, 1)

    def call(self, x):
        return x + self.c2(self.c1(tf.nn.relu(x)))


def build_encoder(ch, dim, size):
    inp = keras.Input((size, size, 3))
    x = layers.Conv2D(ch, 4, 2, padding="same", activation="relu")(inp)
    x = layers.Conv2D(ch, 4, 2, padding="same", activation="relu")(x)
    x = Residual(ch)(x)
    return keras.Model(inp, layers.Conv2D(dim, 1)(x))


def build_decoder(ch, dim, size):
    inp = keras.Input((size // 4, size // 4, dim))
    x = layers.Conv2D(ch, 3, padding="same")(inp)
    x = Residual(ch)(x)
    x = layers.Conv2DTranspose(ch, 4, 2, padding="same", activation="relu")(x)
    return keras.Model(inp, layers.Conv2DTranspose(3, 4, 2, padding="same")(x))


class VQVAE(keras.Model):
    def __init__(self, size=64, ch=64, dim=32, n_codes=512, data_variance=0.06):
        super().__init__()
        self.encoder = build_encoder(ch, dim, size)
        self.vq = VectorQuantizerEMA(n_codes, dim)
        self.decoder = build_decoder(ch, dim, size)
        self.data_variance = max(float(data_variance), 1e-4)
        self.rec = keras.metrics.Mean(name="rec")
        self.ppl = keras.metrics.Mean(name="perplexity")

    @property
    def metrics(self):
        return [self.rec, self.ppl]

    def call(self, x, training=False):
        return self.decoder(self.vq(self.encoder(x), training=training))

    def train_step(self, x):
        with tf.GradientTape() as tape:
            y = self(x, training=True)
            rec = tf.reduce_mean(tf.square(x - y)) / self.data_variance  # SAFE: variance floored at 1e-4 in the constructor
            loss = rec + tf.add_n(self.losses)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.rec.update_state(rec)
        self.ppl.update_state(self.vq.usage)
        return {m.name: m.result() for m in self.metrics}


def psnr(a, b):
    mse = np.mean((a.astype("float64") - b) ** 2)
    return 99.0 if mse == 0 else 10 * np.log10(1.0 / mse)  # SAFE: zero error is handled by the condition


def code_entropy(model, images, n_codes):
    z = model.encoder.predict(images, verbose=0)
    idx = np.argmin(model.vq.distances(tf.reshape(z, (-1, z.shape[-1]))).numpy(), axis=1)
    p = np.bincount(idx, minlength=n_codes) / float(len(idx))  # SAFE: there is at least one code for a non-empty image array
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())  # SAFE: zero frequencies were dropped one line above


def load_crops(path, size):
    x = np.load(path, mmap_mode="r")
    x = np.asarray(x[:, :size, :size, :3]).astype("float32") / 255.0  # SAFE: constant divisor, pixels go to [0, 1]
    return x - 0.5


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="textures_uint8.npy")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--codes", type=int, default=512)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--out", default="vqvae.weights.h5")
    a = p.parse_args()
    x = load_crops(a.data, a.size)
    model = VQVAE(a.size, n_codes=a.codes, data_variance=np.var(x))
    model.compile(optimizer=keras.optimizers.Adam(2e-4))
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(2048).batch(64, drop_remainder=True)
    model.fit(ds, epochs=a.epochs)
    print("PSNR", psnr(x[:64], model.predict(x[:64])), "entropy", code_entropy(model, x[:256], a.codes))
    model.save_weights(a.out)


if __name__ == "__main__":
    main()
