"""SimCLR pretraining, backend agnostic Keras 3."""
import os
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import argparse
import numpy as np
import keras
from keras import ops, layers


def augmenter(size):
    return keras.Sequential([
        layers.Input((size, size, 3)),
        layers.Rescaling(1.0 / 255),  # SAFE: constant rescaling of uint8 images
        layers.RandomFlip("horizontal"),
        layers.RandomTranslation(0.15, 0.15),
        layers.RandomZoom((-0.3, 0.1)),
        layers.RandomContrast(0.4),
    ], name="augmenter")


def encoder(size, width=64):
    m = keras.Sequential([layers.Input((size, size, 3))], name="encoder")
    for _ in range(3):
        m.add(layers.Conv2D(width, 3, strides=2, activation="relu"))
    m.add(layers.Flatten())
    m.add(layers.Dense(width, activation="relu"))
    return m


class Projection(layers.Layer):
    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.hidden = layers.Dense(dim, activation="relu")
        self.out = layers.Dense(dim, use_bias=False)

    def call(self, x):
        z = self.out(self.hidden(x))
        return z / (ops.norm(z, axis=-1, keepdims=True) + 1e-8)  # SAFE: a zero row passes a zero gradient into the norm and TF's sqrt gradient returns 0 for it; out has no bias so h = 0 there and no weight sees the large slope


class SimCLR(keras.Model):
    def __init__(self, size=32, dim=64, temperature=0.1, align=0.1, uniformity=0.0):
        super().__init__()
        self.aug, self.enc, self.proj = augmenter(size), encoder(size), Projection(dim)
        self.probe = layers.Dense(10)
        self.log_t = self.add_weight(name="log_t", shape=(), initializer=keras.initializers.Constant(float(np.log(1.0 / temperature))))  # SAFE: temperature is a positive argument, 0.1
        self.align, self.uniformity = align, uniformity
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="pair_acc")

    def scale(self):
        return ops.exp(ops.clip(self.log_t, 0.0, 4.6))  # SAFE: learned log temperature clipped, at most about 100

    def nt_xent(self, a, b):
        n = ops.shape(a)[0]
        sim = ops.matmul(a, ops.transpose(b)) * self.scale()
        labels = ops.arange(n)
        l1 = keras.losses.sparse_categorical_crossentropy(labels, sim, from_logits=True)  # SAFE: similarities are unnormalised logits
        l2 = keras.losses.sparse_categorical_crossentropy(labels, ops.transpose(sim), from_logits=True)
        self.acc.update_state(labels, sim)
        return ops.mean(l1 + l2) / 2.0

    def uniform_loss(self, z):
        sq = 2.0 - 2.0 * ops.matmul(z, ops.transpose(z))
        return ops.log(ops.mean(ops.exp(-2.0 * sq)))  # SAFE: sq is at most 4 for unit vectors (2 for zero ones), mean is at least exp(-8)

    def align_loss(self, a, b):
        return ops.mean(ops.norm(a - b, axis=-1))  # BUG: norm-grad, two views of a blank image (or two zero embeddings) are identical and the norm's gradient at 0 is NaN

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        a = self.proj(self.enc(self.aug(x, training=True)))
        b = self.proj(self.enc(self.aug(x, training=True)))
        loss = self.nt_xent(a, b)
        if self.align:
            loss = loss + self.align * self.align_loss(a, b)
        if self.uniformity:
            loss = loss + self.uniformity * (self.uniform_loss(a) + self.uniform_loss(b))
        self.loss_tracker.update_state(loss)
        return loss

    def call(self, x, training=False):
        return self.enc(ops.cast(x, "float32") / 255.0)

    @property
    def metrics(self):
        return [self.loss_tracker, self.acc]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {m.name: m.result() for m in self.metrics}


def knn_accuracy(train_z, train_y, z, y, k=20, t=0.1):
    train_z = train_z / np.maximum(np.linalg.norm(train_z, axis=1, keepdims=True), 1e-8)  # SAFE: numpy evaluation, norm floored
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-8)
    s = z @ train_z.T
    idx = np.argpartition(-s, k, axis=1)[:, :k]
    w = np.exp(np.take_along_axis(s, idx, 1) / t)  # SAFE: cosine over 0.1, exponent at most 10
    votes = np.zeros((len(z), 10))
    for j in range(k):
        votes[np.arange(len(z)), train_y[idx[:, j]]] += w[:, j]
    return float((votes.argmax(1) == y).mean())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--epochs", type=int, default=50)
    p.add_argument("--temperature", type=float, default=0.1)
    a = p.parse_args()
    (x, y), (xt, yt) = keras.datasets.cifar10.load_data()
    model = SimCLR(temperature=a.temperature)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    model.fit(x, batch_size=a.batch, epochs=a.epochs)
    print("knn", knn_accuracy(model.predict(x[:20000]), y[:20000, 0], model.predict(xt), yt[:, 0]))


if __name__ == "__main__":
    main()
