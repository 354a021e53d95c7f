"""Capsule network with dynamic routing on small grey images (npz: images uint8, labels)."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def squash(s, axis=-1, eps=1e-7):
    sq = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    norm = tf.sqrt(sq + eps)  # SAFE: eps under the root covers an all zero capsule
    return (sq / (1.0 + sq)) * (s / norm)  # SAFE: norm is at least sqrt(1e-7)


def capsule_length(v):
    return tf.norm(v, axis=-1)  # BUG: norm-grad, when all primary ReLU capsules are 0 (blank image, dead units) the output capsule is exactly 0 and the gradient is NaN


class PrimaryCaps(layers.Layer):
    def __init__(self, n_maps, dim, kernel, stride):
        super().__init__()
        self.dim = dim
        self.conv = layers.Conv2D(n_maps * dim, kernel, strides=stride, activation="relu")

    def call(self, x):
        h = self.conv(x)
        return squash(tf.reshape(h, [tf.shape(h)[0], -1, self.dim]))


class RoutingCaps(layers.Layer):
    def __init__(self, n_caps, dim, n_in, dim_in, iterations=3):
        super().__init__()
        self.n_caps, self.iterations = n_caps, iterations
        self.w = self.add_weight(
            name="w", shape=(1, n_in, n_caps, dim, dim_in),
            initializer=tf.keras.initializers.RandomNormal(stddev=0.05))

    def agree(self, s):
        """Squash with the root moved into the scale, for the output capsules."""
        sq = tf.reduce_sum(tf.square(s), axis=-1, keepdims=True)
        return s * tf.sqrt(sq + 1e-9) / (1.0 + sq)  # SAFE: 1e-9 under the root, denominator at least 1

    def call(self, u):
        u = u[:, :, None, :, None]
        u_hat = tf.squeeze(tf.matmul(tf.tile(self.w, [tf.shape(u)[0], 1, 1, 1, 1]), tf.tile(u, [1, 1, self.n_caps, 1, 1])), -1)
        frozen = tf.stop_gradient(u_hat)
        b = tf.zeros(tf.shape(u_hat)[:-1])
        v = None
        for i in range(self.iterations):
            c = tf.nn.softmax(b, axis=2)[..., None]  # SAFE: softmax subtracts its maximum
            last = i == self.iterations - 1
            v = self.agree(tf.reduce_sum(c * (u_hat if last else frozen), axis=1))
            if not last:
                b += tf.reduce_sum(frozen * v[:, None], axis=-1)
        return v


def margin_loss(one_hot, lengths, m_pos=0.9, m_neg=0.1, down=0.5):
    pos = one_hot * tf.square(tf.nn.relu(m_pos - lengths))
    neg = (1.0 - one_hot) * tf.square(tf.nn.relu(lengths - m_neg))
    return tf.reduce_mean(tf.reduce_sum(pos + down * neg, axis=-1))


def spread_entropy(lengths):
    p = lengths / (tf.reduce_sum(lengths, axis=-1, keepdims=True) + 1e-6)  # SAFE: lengths are non negative and 1e-6 is added
    return -tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p + 1e-12), axis=-1))  # SAFE: 1e-12 is added to a non negative share


class CapsNet(tf.keras.Model):
    def __init__(self, size=28, n_classes=10, maps=8, dim=8, recon_weight=0.0005 * 784):
        super().__init__()
        self.size, self.n_classes = size, n_classes
        self.recon_weight = recon_weight
        self.conv = layers.Conv2D(64, 9, activation="relu")
        self.primary = PrimaryCaps(maps, dim, 9, 2)
        side = (size - 8 - 9) // 2 + 1
        self.digits = RoutingCaps(n_classes, 16, side * side * maps, dim)
        self.decoder = tf.keras.Sequential([
            layers.Dense(128, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(size * size, activation="sigmoid"),
        ])
        self.loss_metric = tf.keras.metrics.Mean(name="loss")
        self.acc_metric = tf.keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.loss_metric, self.acc_metric]

    def call(self, x, training=False):
        v = self.digits(self.primary(self.conv(x)))
        return v, capsule_length(v)

    def reconstruct(self, v, one_hot):
        flat = tf.reshape(v * one_hot[..., None], [tf.shape(v)[0], self.n_classes * 16])
        return self.decoder(flat)

    def train_step(self, data):
        x, y = data
        one_hot = tf.one_hot(y, self.n_classes)
        with tf.GradientTape() as tape:
            v, lengths = self(x, training=True)
            recon = self.reconstruct(v, one_hot)
            flat = tf.reshape(x, [tf.shape(x)[0], self.size * self.size])
            loss = margin_loss(one_hot, lengths) + self.recon_weight * tf.reduce_mean(tf.square(recon - flat))
            loss += 1e-4 * spread_entropy(lengths)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_metric.update_state(loss)
        self.acc_metric.update_state(y, lengths)
        return {m.name: m.result() for m in self.metrics}


def load(path):
    with np.load(path) as f:
        images, labels = f["images"], f["labels"]
    return (images.astype(np.float32) / 255.0)[..., None], labels.astype(np.int32)  # SAFE: constant divisor


def shift(x, y, amount=2):
    x = tf.pad(x, [[amount, amount], [amount, amount], [0, 0]])
    return tf.image.random_crop(x, [28, 28, 1]), y


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="data/digits.npz")
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--lr", type=float, default=1e-3)
    args = p.parse_args()
    x, y = load(args.data)
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).map(shift).batch(args.batch_size)
    model = CapsNet(n_classes=int(y.max()) + 1)
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr))
    model.fit(ds, epochs=args.epochs)
    model.save_weights("caps.weights.h5")


if __name__ == "__main__":
    main()
