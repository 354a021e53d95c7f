import argparse
import os

import numpy as np
import tensorflow as tf
import keras
from keras import ops

from config import PRESETS
from layers import build_encoder
import objectives as obj


class Contrastive(keras.Model):
    def __init__(self, cfg, **kwargs):
        super().__init__(**kwargs)
        self.cfg = cfg
        self.encoder = build_encoder(cfg)
        self.tracker = keras.metrics.Mean(name="total")

    @property
    def metrics(self):
        return [self.tracker]

    def call(self, x, training=None):
        return self.encoder(x, training=training)

    def total_loss(self, a, b, labels, training=True):
        za = self.encoder(a, training=training)
        zb = self.encoder(b, training=training)
        loss = obj.nt_xent(za, zb, self.cfg.temperature)
        loss += self.cfg.triplet_weight * obj.batch_hard_triplet(za, labels, self.cfg.margin)
        loss += self.cfg.uniformity_weight * obj.uniformity(zb, self.cfg.uniformity_t)
        loss += self.cfg.energy_weight * obj.log_energy(za)
        return loss + obj.spread(za) + obj.spread(zb)

    def train_step(self, data):
        (a, b), labels = data
        with tf.GradientTape() as tape:
            loss = self.total_loss(a, b, labels)
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.tracker.update_state(loss)
        return {"total": self.tracker.result()}


def two_views(image, label):
    def view(im):
        im = tf.image.random_flip_left_right(tf.cast(im, tf.float32))
        im = tf.image.random_brightness(im, 40.0)
        im = tf.image.random_contrast(im, 0.6, 1.4)
        return tf.clip_by_value(im, 0.0, 255.0)
    return (view(image), view(image)), label


def make_dataset(npz, cfg):
    with np.load(npz) as f:
        x, y = f["x_train"], f["y_train"].astype("int32").reshape(-1)
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(10000)
    return ds.map(two_views, tf.data.AUTOTUNE).batch(cfg.batch_size, drop_remainder=True).prefetch(2)


def knn_accuracy(encoder, x_bank, y_bank, x_query, y_query, k=20):
    bank = encoder.predict(x_bank, verbose=0)
    q = encoder.predict(x_query, verbose=0)
    sim = q @ bank.T
    top = np.argsort(-sim, axis=1)[:, :k]
    w = np.exp(np.take_along_axis(sim, top, axis=1) / 0.07)  # SAFE: cosines at most 1, exp(14.3)
    votes = np.zeros((len(q), int(y_bank.max()) + 1))
    for j in range(top.shape[1]):
        votes[np.arange(len(q)), y_bank[top[:, j]]] += w[:, j]
    return float(np.mean(votes.argmax(1) == y_query))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--npz", default="cifar10.npz")
    ap.add_argument("--preset", default="default", choices=sorted(PRESETS))
    ap.add_argument("--out", default="runs/contrastive")
    args = ap.parse_args()
    cfg = PRESETS[args.preset]
    keras.utils.set_random_seed(cfg.seed)
    model = Contrastive(cfg)
    model.compile(optimizer=keras.optimizers.AdamW(cfg.lr, weight_decay=cfg.weight_decay))
    model.fit(make_dataset(args.npz, cfg), epochs=cfg.epochs)
    os.makedirs(args.out, exist_ok=True)
    model.encoder.save(os.path.join(args.out, "encoder.keras"))


if __name__ == "__main__":
    main()
