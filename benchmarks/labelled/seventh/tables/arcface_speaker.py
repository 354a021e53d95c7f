"""Speaker embeddings: TDNN on log-mel features, additive angular margin, verification by EER."""
import argparse
import math
import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

N_MEL = 40


def load_features(folder, split):
    items = []
    for spk in sorted(os.listdir(os.path.join(folder, split))):
        for f in sorted(os.listdir(os.path.join(folder, split, spk))):
            if f.endswith(".npy"):
                items.append((os.path.join(folder, split, spk, f), spk))
    speakers = {s: i for i, s in enumerate(sorted({s for _, s in items}))}
    return [(p, speakers[s]) for p, s in items], len(speakers)


def log_mel(power):
    return np.log(np.maximum(power, 1e-10))  # SAFE: the power is floored before the logarithm


def cmvn(feat):
    mean = feat.mean(0, keepdims=True)
    std = feat.std(0, keepdims=True)
    return (feat - mean) / (std + 1e-5)  # SAFE: epsilon


def crop(feat, frames, rng):
    if len(feat) < frames:
        feat = np.tile(feat, (frames // max(len(feat), 1) + 1, 1))  # SAFE: max with one
    s = rng.integers(0, len(feat) - frames + 1)
    return feat[s:s + frames]


def batches(items, size, frames, rng):
    for idx in np.array_split(rng.permutation(len(items)), max(len(items) // size, 1)):
        x = [crop(cmvn(log_mel(np.load(items[i][0]))), frames, rng) for i in idx]
        yield np.stack(x).astype(np.float32), np.array([items[i][1] for i in idx], np.int32)


class StatsPooling(layers.Layer):

    def call(self, x):
        mean = tf.reduce_mean(x, 1)
        var = tf.reduce_mean(tf.square(x - mean[:, None]), 1)
        return tf.concat([mean, tf.sqrt(tf.maximum(var, 1e-6))], -1)  # SAFE: the variance is floored before the root


class AttentiveStatsPooling(layers.Layer):

    def __init__(self, units):
        super().__init__()
        self.a, self.b = layers.Dense(units, activation="tanh"), layers.Dense(1)

    def call(self, x):
        w = tf.nn.softmax(self.b(self.a(x)), axis=1)  # SAFE: softmax subtracts its maximum
        mean = tf.reduce_sum(w * x, 1)
        var = tf.reduce_sum(w * tf.square(x), 1) - tf.square(mean)
        return tf.concat([mean, tf.sqrt(tf.nn.relu(var) + 1e-6)], -1)  # SAFE: relu removes negative rounding and the epsilon is inside the root


class TDNN(keras.Model):

    def __init__(self, width=128, dim=96, attentive=True):
        super().__init__()
        self.blocks = []
        for k, d in ((5, 1), (3, 2), (3, 3), (1, 1)):
            self.blocks += [layers.Conv1D(width, k, dilation_rate=d, padding="same", use_bias=False),
                            layers.BatchNormalization(), layers.ReLU()]
        self.pool = AttentiveStatsPooling(64) if attentive else StatsPooling()
        self.fc, self.bn = layers.Dense(dim), layers.BatchNormalization()

    def call(self, x, training=False):
        for b in self.blocks:
            x = b(x, training=training) if isinstance(b, layers.BatchNormalization) else b(x)
        x = self.bn(self.fc(self.pool(x)), training=training)
        return tf.math.l2_normalize(x, -1)  # SAFE: l2_normalize has an epsilon


class ArcHead(layers.Layer):

    def __init__(self, n, dim, scale=30.0, margin=0.2):
        super().__init__()
        self.scale, self.margin = scale, margin
        self.w = self.add_weight(shape=(dim, n), initializer="glorot_uniform", name="w")

    def cosine(self, emb):
        w = tf.math.l2_normalize(self.w, 0)
        return tf.matmul(emb, w)

    def call(self, emb, labels):
        cos = self.cosine(emb)
        theta = tf.acos(tf.clip_by_value(cos, -1.0 + 1e-5, 1.0 - 1e-5))  # SAFE: clipped inside the open interval, 1 - 1e-5 differs from one in float32
        one_hot = tf.one_hot(labels, cos.shape[-1])
        return self.scale * tf.where(one_hot > 0, tf.cos(tf.minimum(theta + self.margin, math.pi)), cos)  # SAFE: the clip keeps the gradient of acos finite in the branch that is not taken


class CosineHead(ArcHead):
    """CosFace variant with the sine by the Pythagorean identity."""

    def call(self, emb, labels):
        cos = self.cosine(emb)
        sin = tf.sqrt(tf.maximum(1.0 - tf.square(cos), 1e-6))  # SAFE: floored before the root
        phi = cos * math.cos(self.margin) - sin * math.sin(self.margin)
        phi = tf.where(cos > math.cos(math.pi - self.margin), phi, cos - self.margin * math.sin(self.margin))  # SAFE: both branches are finite with finite gradients
        return self.scale * tf.where(tf.one_hot(labels, cos.shape[-1]) > 0, phi, cos)


def am_loss(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))  # SAFE: scaled cosines are logits


def prototypical(emb, labels, n, temperature=0.1):
    one = tf.one_hot(labels, n)
    count = tf.reduce_sum(one, 0)
    proto = tf.matmul(one, emb, transpose_a=True) / tf.maximum(count, 1.0)[:, None]  # SAFE: floor of one utterance
    d = tf.reduce_sum(tf.square(emb[:, None] - proto[None]), -1)
    logits = tf.where(count[None] > 0, -d / temperature, -1e9)  # SAFE: the temperature is the constant 0.1
    return am_loss(logits, labels)


def equal_error_rate(scores, same):
    order = np.argsort(-scores)
    same = same[order].astype(np.float64)
    miss = 1.0 - np.cumsum(same) / max(same.sum(), 1.0)  # SAFE: max with one
    fa = np.cumsum(1.0 - same) / max((1.0 - same).sum(), 1.0)  # SAFE: max with one
    k = int(np.argmin(np.abs(miss - fa)))
    return 0.5 * (miss[k] + fa[k])


@tf.function(reduce_retracing=True)
def train_step(model, head, opt, x, y, n, proto_weight):
    with tf.GradientTape() as tape:
        emb = model(x, training=True)
        loss = am_loss(head(emb, y), y) + proto_weight * prototypical(emb, y, n)
    params = model.trainable_variables + head.trainable_variables
    grads = tape.gradient(loss, params)
    opt.apply_gradients(zip(grads, params))
    return loss


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="voxceleb_mel")
    ap.add_argument("--head", choices=["arc", "cos"], default="arc")
    ap.add_argument("--frames", type=int, default=200)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--proto-weight", dest="proto_weight", type=float, default=0.1)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    items, n = load_features(a.data, "train")
    test, _ = load_features(a.data, "test")
    model = TDNN()
    head = (ArcHead if a.head == "arc" else CosineHead)(n, 96)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(a.lr, a.epochs * max(len(items) // a.batch, 1)))
    rng = np.random.default_rng(0)
    for e in range(a.epochs):
        losses = [float(train_step(model, head, opt, tf.constant(x), tf.constant(y), n, a.proto_weight))
                  for x, y in batches(items, a.batch, a.frames, rng)]
        emb, lab = [], []
        for x, y in batches(test, a.batch, a.frames, rng):
            emb.append(model(x).numpy())
            lab.append(y)
        emb, lab = np.concatenate(emb), np.concatenate(lab)
        i, j = np.triu_indices(len(emb), 1)
        print(f"epoch {e} loss {np.mean(losses):.4f} eer {equal_error_rate((emb[i] * emb[j]).sum(1), lab[i] == lab[j]):.4f}", flush=True)
        model.save_weights("speaker.weights.h5")


if __name__ == "__main__":
    main()
