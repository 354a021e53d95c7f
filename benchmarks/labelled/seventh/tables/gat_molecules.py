"""Graph attention network for molecule properties, batches of disjoint graphs."""
import argparse
import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

ATOM_DIM = 32
BOND_DIM = 8


def load_split(folder, name):
    with np.load(os.path.join(folder, name + ".npz"), allow_pickle=True) as z:
        return list(zip(z["atoms"], z["edges"], z["bonds"], z["target"]))


def collate(graphs):
    """Concatenates graphs; edges point from source to target."""
    atoms, edges, bonds, owner, y, offset = [], [], [], [], [], 0
    for g, (a, e, b, t) in enumerate(graphs):
        atoms.append(a)
        edges.append(np.asarray(e, np.int32).reshape(-1, 2) + offset)
        bonds.append(np.asarray(b, np.float32).reshape(-1, BOND_DIM))
        owner += [g] * len(a)
        y.append(t)
        offset += len(a)
    return {
        "atoms": tf.constant(np.concatenate(atoms).astype(np.float32)),
        "edges": tf.constant(np.concatenate(edges)),
        "bonds": tf.constant(np.concatenate(bonds)),
        "owner": tf.constant(owner, tf.int32),
        "n_graphs": tf.constant(len(graphs)),
    }, tf.constant(np.asarray(y, np.float32))


def iterate(data, size, rng=None):
    order = np.arange(len(data)) if rng is None else rng.permutation(len(data))
    for i in range(0, len(order), size):
        yield collate([data[k] for k in order[i:i + size]])


def segment_softmax(scores, seg, n):
    top = tf.math.unsorted_segment_max(scores, seg, n)
    e = tf.exp(scores - tf.gather(top, seg))  # SAFE: the maximum of the segment is subtracted
    total = tf.math.unsorted_segment_sum(e, seg, n)
    return e / tf.gather(total, seg)  # SAFE: a segment with an element has a sum of at least one


def segment_mean(x, seg, n):
    count = tf.math.unsorted_segment_sum(tf.ones_like(x[:, :1]), seg, n)
    return tf.math.unsorted_segment_sum(x, seg, n) / tf.maximum(count, 1.0)  # SAFE: floor of one


class BondGate(layers.Layer):
    """Edge gates normalised over the incoming bonds (gated graph convolution)."""

    def __init__(self, units):
        super().__init__()
        self.gate = layers.Dense(units)
        self.value = layers.Dense(units)

    def call(self, h, edges, bonds):
        n = tf.shape(h)[0]
        src, dst = edges[:, 0], edges[:, 1]
        g = tf.sigmoid(self.gate(tf.concat([tf.gather(h, src), tf.gather(h, dst), bonds], -1)))
        num = tf.math.unsorted_segment_sum(g * tf.gather(self.value(h), src), dst, n)
        den = tf.math.unsorted_segment_sum(g, dst, n)
        return num / den  # BUG: div-zero, atoms without incoming bonds (ions, single atoms) give 0 / 0


class GATLayer(layers.Layer):

    def __init__(self, units, heads, learn_temperature=False):
        super().__init__()
        self.heads, self.dim = heads, units // heads
        self.proj = layers.Dense(units, use_bias=False)
        self.bond = layers.Dense(heads)
        self.learn_temperature = learn_temperature

    def build(self, _):
        init = keras.initializers.GlorotUniform()
        self.a_src = self.add_weight(shape=(1, self.heads, self.dim), initializer=init, name="a_src")
        self.a_dst = self.add_weight(shape=(1, self.heads, self.dim), initializer=init, name="a_dst")
        self.log_t = self.add_weight(shape=(), initializer="zeros", trainable=self.learn_temperature, name="log_t")  # SAFE: a zero log temperature is a temperature of one

    def call(self, h, edges, bonds):
        n = tf.shape(h)[0]
        src, dst = edges[:, 0], edges[:, 1]
        z = tf.reshape(self.proj(h), [-1, self.heads, self.dim])
        s = tf.gather(tf.reduce_sum(z * self.a_src, -1), src) + tf.gather(tf.reduce_sum(z * self.a_dst, -1), dst)
        s = tf.nn.leaky_relu(s + self.bond(bonds), 0.2)
        s = s * tf.exp(-tf.clip_by_value(self.log_t, -2.0, 2.0))  # SAFE: clipped exponent
        att = segment_softmax(s, dst, n)
        out = tf.math.unsorted_segment_sum(att[..., None] * tf.gather(z, src), dst, n)
        return tf.nn.elu(tf.reshape(out, [-1, self.heads * self.dim]))  # SAFE: tf.nn.elu is finite for large inputs and so is its gradient


class GraphNorm(layers.Layer):

    def build(self, shape):
        self.alpha = self.add_weight(shape=(shape[-1],), initializer="ones", name="alpha")
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")  # SAFE: gamma starts at one

    def call(self, x, owner, n_graphs):
        mean = segment_mean(x, owner, n_graphs)
        x = x - self.alpha * tf.gather(mean, owner)
        var = segment_mean(tf.square(x), owner, n_graphs)
        return self.gamma * x / tf.sqrt(tf.gather(var, owner) + 1e-5) + self.beta  # SAFE: epsilon inside the root


class AttentiveReadout(layers.Layer):

    def __init__(self):
        super().__init__()
        self.score = layers.Dense(1)

    def call(self, h, owner, n_graphs):
        w = tf.exp(self.score(h))  # BUG: exp-overflow, the score is a linear output without bound and no maximum is subtracted
        total = tf.math.unsorted_segment_sum(w, owner, n_graphs)
        num = tf.math.unsorted_segment_sum(w * h, owner, n_graphs)
        return num / (total + 1e-6)  # SAFE: exponentials are >= 0 and an epsilon is added


class MoleculeNet(keras.Model):

    def __init__(self, units=64, heads=4, depth=3, dropout=0.1):
        super().__init__()
        self.embed = layers.Dense(units, activation="relu")
        self.gate = BondGate(units)
        self.gats = [GATLayer(units, heads, learn_temperature=True) for _ in range(depth)]
        self.norms = [GraphNorm() for _ in range(depth)]
        self.readout = AttentiveReadout()
        self.drop = layers.Dropout(dropout)
        self.fc = layers.Dense(units, activation="relu")
        self.out = layers.Dense(1)

    def call(self, g, training=False):
        h = self.embed(g["atoms"])
        h = h + self.gate(h, g["edges"], g["bonds"])
        for gat, norm in zip(self.gats, self.norms):
            h = h + self.drop(norm(gat(h, g["edges"], g["bonds"]), g["owner"], g["n_graphs"]), training=training)
        mean = segment_mean(h, g["owner"], g["n_graphs"])
        x = tf.concat([self.readout(h, g["owner"], g["n_graphs"]), mean], -1)
        return self.out(self.fc(x))[:, 0]


class TargetScaler:

    def __init__(self, y):
        self.mean, self.std = float(np.mean(y)), max(float(np.std(y)), 1e-3)

    def encode(self, y):
        return (y - self.mean) / self.std  # SAFE: floored deviation

    def decode(self, z):
        return z * self.std + self.mean


def train_step(model, opt, g, z):
    with tf.GradientTape() as tape:
        pred = model(g, training=True)
        loss = tf.reduce_mean(tf.math.log(tf.cosh(tf.clip_by_value(pred - z, -20.0, 20.0))))  # SAFE: cosh of a number clipped to 20 is between one and 2.5e8
        loss += 1e-5 * tf.add_n([tf.reduce_sum(tf.square(w)) for w in model.trainable_weights])
    grads = tape.gradient(loss, model.trainable_variables)
    grads, norm = tf.clip_by_global_norm(grads, 1.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return float(loss), float(norm)


def evaluate(model, data, scaler, size):
    err, rel = [], []
    for g, y in iterate(data, size):
        p = scaler.decode(model(g).numpy())
        err.append(np.abs(p - y.numpy()))
        rel.append(np.abs(p - y.numpy()) / (np.abs(y.numpy()) + 1e-6))  # SAFE: epsilon, and evaluation only
    return np.concatenate(err).mean(), np.median(np.concatenate(rel))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="data/qm9")
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--save", default="gat.weights.h5")
    args = ap.parse_args()
    train, valid = load_split(args.data, "train"), load_split(args.data, "valid")
    scaler = TargetScaler([t for *_, t in train])
    model, rng = MoleculeNet(), np.random.default_rng(0)
    opt = keras.optimizers.Adam(args.lr)
    best = float("inf")
    for epoch in range(args.epochs):
        logs = [train_step(model, opt, g, scaler.encode(y)) for g, y in iterate(train, args.batch, rng)]
        mae, med = evaluate(model, valid, scaler, args.batch)
        print(f"epoch {epoch:03d} loss {np.mean([l for l, _ in logs]):.4f} mae {mae:.4f} rel {med:.3f}", flush=True)
        if mae < best:
            best = mae
            model.save_weights(args.save)


if __name__ == "__main__":
    main()
