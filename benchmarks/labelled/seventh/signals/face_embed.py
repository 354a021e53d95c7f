"""Face verification embeddings: Siamese contrastive pre-training, then an angular margin head."""
import argparse
import logging
import math
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

logger = logging.getLogger(__name__)


class PairSampler:
    """Random positive and negative pairs out of identity folders."""

    def __init__(self, root, size=96, p_same=0.5):
        self.size = size
        self.p_same = p_same
        self.by_id = defaultdict(list)
        for f in Path(root).glob("*/*.png"):
            self.by_id[f.parent.name].append(str(f))
        self.ids = sorted(self.by_id)

    def read(self, path):
        img = tf.io.decode_png(tf.io.read_file(path), channels=3)
        img = tf.image.resize(tf.cast(img, tf.float32), [self.size, self.size])
        return img / 127.5 - 1.0  # SAFE: constant divisor, pixels end in [-1, 1]

    def __call__(self):
        while True:
            a = random.choice(self.ids)
            if random.random() < self.p_same:
                f, g = random.choice(self.by_id[a]), random.choice(self.by_id[a])
                yield self.read(f), self.read(g), 1.0
            else:
                b = random.choice([i for i in self.ids if i != a])
                yield self.read(random.choice(self.by_id[a])), self.read(random.choice(self.by_id[b])), 0.0


def backbone(size, dim):
    inp = keras.Input((size, size, 3))
    x = inp
    for f in (16, 32, 64, 64):
        x = layers.Conv2D(f, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inp, layers.Dense(dim)(x), name="backbone")


def euclidean(a, b):
    return tf.sqrt(tf.reduce_sum(tf.square(a - b), axis=-1))  # BUG: norm-grad, the sampler may draw the same file twice for a positive pair, the slope of the root at 0 is inf and inf * 0 is NaN


def contrastive(same, dist, margin):
    pull = same * dist
    push = (1.0 - same) * tf.nn.relu(margin - dist)
    return tf.reduce_mean(pull + push)


def batch_hard_triplet(emb, ids, margin=0.3):
    """In-batch mining on squared distances (no root needed)."""
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = tf.maximum(sq[:, None] - 2.0 * dot + sq[None, :], 0.0)
    same = tf.equal(ids[:, None], ids[None, :])
    hardest_pos = tf.reduce_max(tf.where(same, d2, tf.zeros_like(d2)), 1)
    far = tf.reduce_max(d2, 1, keepdims=True)
    hardest_neg = tf.reduce_min(tf.where(same, d2 + far, d2), 1)
    d_pos = tf.sqrt(hardest_pos + 1e-12)  # SAFE: 1e-12 under the root in float32, slope at 0 is 5e5 and finite
    d_neg = tf.sqrt(hardest_neg + 1e-12)  # SAFE: 1e-12 under the root in float32
    return tf.reduce_mean(tf.nn.softplus(d_pos - d_neg + margin))  # SAFE: tf.nn.softplus is the stable form of log(1 + exp(x))


class AngularMargin(layers.Layer):
    """ArcFace logits: s * cos(theta + m)."""

    def __init__(self, n_classes, scale=32.0, margin=0.4, **kw):
        super().__init__(**kw)
        self.n_classes = n_classes
        self.scale = scale
        self.margin = margin

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.n_classes), initializer="glorot_uniform", name="centers")

    def cosine(self, emb):
        e = tf.math.l2_normalize(emb, axis=-1)  # SAFE: l2_normalize floors the squared norm at 1e-12
        w = tf.math.l2_normalize(self.w, axis=0)  # SAFE: l2_normalize floors the squared norm at 1e-12
        return tf.matmul(e, w)

    def call(self, emb, labels):
        cos = self.cosine(emb)
        theta = tf.acos(cos)  # BUG: domain, the product of two unit vectors rounds to slightly more than 1 (NaN) or to 1 (slope -inf)
        target = tf.one_hot(labels, self.n_classes)
        return self.scale * tf.cos(theta + self.margin * target)

    def easy_margin(self, emb, labels):
        """Variant without acos, after the sine identity."""
        cos = tf.clip_by_value(self.cosine(emb), -1.0 + 1e-6, 1.0 - 1e-6)
        sin = tf.sqrt(1.0 - tf.square(cos))  # SAFE: cos clipped to 1 - 1e-6, the argument is at least 2e-6
        phi = cos * math.cos(self.margin) - sin * math.sin(self.margin)
        target = tf.one_hot(labels, self.n_classes)
        return self.scale * tf.where(tf.cast(target, tf.bool), phi, cos)


def center_spread(w):
    """Mean nearest-neighbour angle of the class centres, in degrees."""
    w = tf.math.l2_normalize(w, axis=0)  # SAFE: floors the squared norm at 1e-12
    cos = tf.matmul(w, w, transpose_a=True) - 2.0 * tf.eye(tf.shape(w)[1])
    nearest = tf.clip_by_value(tf.reduce_max(cos, 1), -1.0, 1.0)
    return tf.reduce_mean(tf.acos(nearest)) * 180.0 / math.pi  # SAFE: clipped to [-1, 1] and only logged, never differentiated


class Pretrainer:
    def __init__(self, net, margin, lr):
        self.net = net
        self.margin = margin
        self.opt = keras.optimizers.Adam(lr, clipnorm=1.0)

    @tf.function
    def step(self, a, b, same):
        with tf.GradientTape() as tape:
            d = euclidean(self.net(a, training=True), self.net(b, training=True))
            loss = contrastive(same, d, self.margin)
        g = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return loss


class MarginTrainer:
    def __init__(self, net, n_ids, lr):
        self.net = net
        self.head = AngularMargin(n_ids)
        self.opt = keras.optimizers.SGD(lr, momentum=0.9)
        self.ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # SAFE: fed with scaled cosines, not probabilities

    def step(self, x, ids):
        with tf.GradientTape() as tape:
            emb = self.net(x, training=True)
            loss = self.ce(ids, self.head(emb, ids)) + 0.1 * batch_hard_triplet(tf.math.l2_normalize(emb, -1), ids)
        v = self.net.trainable_variables + self.head.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss


def eer(dist, same):
    order = np.argsort(dist)
    s = same[order].astype(bool)
    tpr = np.cumsum(s) / max(s.sum(), 1)  # SAFE: numpy evaluation with a floor of 1
    fpr = np.cumsum(~s) / max((~s).sum(), 1)  # SAFE: numpy evaluation with a floor of 1
    return float(fpr[np.argmin(np.abs(1 - tpr - fpr))])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="faces")
    ap.add_argument("--dim", type=int, default=64)
    ap.add_argument("--margin", type=float, default=1.0)
    ap.add_argument("--steps", type=int, default=10000)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    sampler = PairSampler(a.root)
    sig = (tf.TensorSpec([96, 96, 3]), tf.TensorSpec([96, 96, 3]), tf.TensorSpec([]))
    ds = tf.data.Dataset.from_generator(sampler, output_signature=sig).batch(64).prefetch(2)
    net = backbone(96, a.dim)
    pre = Pretrainer(net, a.margin, a.lr)
    for i, (x, y, s) in enumerate(ds.take(a.steps)):
        loss = pre.step(x, y, s)
        if i % 100 == 0:
            d = euclidean(net(x), net(y)).numpy()
            logger.info("%d loss %.4f eer %.3f", i, loss, eer(d, s.numpy()))
    net.save("faces_pre.keras")
    files = [(f, k) for k, i in enumerate(sampler.ids) for f in sampler.by_id[i]]
    fine = MarginTrainer(net, len(sampler.ids), 0.01)
    for epoch in range(10):
        random.shuffle(files)
        for k in range(0, len(files) - 63, 64):
            x = tf.stack([sampler.read(f) for f, _ in files[k:k + 64]])
            loss = fine.step(x, tf.constant([i for _, i in files[k:k + 64]]))
        logger.info("epoch %d loss %.4f spread %.1f", epoch, loss, center_spread(fine.head.w))
    net.save("faces_arc.keras")


if __name__ == "__main__":
    main()
