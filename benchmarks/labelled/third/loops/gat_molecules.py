"""Graph attention regression on molecules, ragged batches as disjoint unions (segment ops)."""
import argparse
import math

import numpy as np
import tensorflow as tf


def segment_softmax(score, seg, n):
    m = tf.math.unsorted_segment_max(score, seg, n)
    score = tf.exp(score - tf.gather(m, seg))  # SAFE: the maximum of the own segment is subtracted, the exponent is not positive
    z = tf.math.unsorted_segment_sum(score, seg, n)
    return score / tf.gather(z, seg)  # SAFE: every gathered segment has an edge and its largest term is 1


def segment_mean(x, seg, n):
    s = tf.math.unsorted_segment_sum(x, seg, n)
    c = tf.math.unsorted_segment_sum(tf.ones_like(x[:, :1]), seg, n)
    return s / tf.maximum(c, 1.0)  # SAFE: the count is at least 1


def segment_std(x, seg, n):
    mu = segment_mean(x, seg, n)
    var = segment_mean(tf.square(x - tf.gather(mu, seg)), seg, n)
    return tf.sqrt(var + 1e-5)  # SAFE: epsilon inside the root, nodes with one neighbour have variance 0


class GATLayer(tf.keras.layers.Layer):
    def __init__(self, units, heads):
        super().__init__()
        self.u, self.h = units, heads
        self.proj = tf.keras.layers.Dense(units * heads, use_bias=False)
        self.edge = tf.keras.layers.Dense(heads, use_bias=False)
        self.norm = tf.keras.layers.LayerNormalization()

    def build(self, shape):
        init = tf.keras.initializers.GlorotUniform()
        self.a_src = self.add_weight(name="a_src", shape=(self.h, self.u), initializer=init)
        self.a_dst = self.add_weight(name="a_dst", shape=(self.h, self.u), initializer=init)

    def call(self, x, src=None, dst=None, e=None):
        n = tf.shape(x)[0]
        z = tf.reshape(self.proj(x), (-1, self.h, self.u))
        s = tf.reduce_sum(z * self.a_src, -1)
        d = tf.reduce_sum(z * self.a_dst, -1)
        score = tf.nn.leaky_relu(tf.gather(s, src) + tf.gather(d, dst) + self.edge(e), 0.2)
        alpha = segment_softmax(score, dst, n)
        msg = alpha[:, :, None] * tf.gather(z, src)
        out = tf.math.unsorted_segment_sum(msg, dst, n)
        out = tf.reshape(out, (n, self.h * self.u))
        return tf.nn.elu(self.norm(out))


class Model(tf.keras.Model):
    def __init__(self, units=32, heads=4, depth=3, n_rbf=16, cutoff=5.0):
        super().__init__()
        self.embed = tf.keras.layers.Embedding(100, units * heads)
        self.gats = [GATLayer(units, heads) for _ in range(depth)]
        self.out = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="swish"), tf.keras.layers.Dense(2)])
        self.cutoff = cutoff
        self.centers = tf.constant(np.linspace(0, cutoff, n_rbf), tf.float32)
        self.gamma = n_rbf / cutoff  # SAFE: cutoff is a positive constant

    def rbf(self, r):
        env = 0.5 * (tf.cos(math.pi * tf.minimum(r / self.cutoff, 1.0)) + 1.0)  # SAFE: cutoff is constant
        return env[:, None] * tf.exp(-self.gamma * tf.square(r[:, None] - self.centers))  # SAFE: exponent not positive

    def distances(self, pos, src, dst):
        v = tf.gather(pos, dst) - tf.gather(pos, src)
        return tf.sqrt(tf.reduce_sum(tf.square(v), -1) + 1e-12)  # SAFE: self edges have v = 0, the gradient is v / 1e-6 = 0

    def call(self, batch, training=False):
        r = self.distances(batch["pos"], batch["src"], batch["dst"])
        e = self.rbf(r)
        x = self.embed(batch["z"])
        for g in self.gats:
            x = x + g(x, src=batch["src"], dst=batch["dst"], e=e)
        n = batch["n_graphs"]
        pooled = tf.concat([segment_mean(x, batch["graph"], n), segment_std(x, batch["graph"], n)], -1)
        y = self.out(pooled)
        return y[:, 0], tf.clip_by_value(y[:, 1], -6.0, 6.0)


def gaussian_nll(y, mu, log_var):
    return 0.5 * tf.reduce_mean(log_var + tf.square(y - mu) * tf.exp(-log_var))  # SAFE: log_var clipped to [-6, 6] in call


def energy_forces(model, batch):
    with tf.GradientTape() as t:
        t.watch(batch["pos"])
        mu, log_var = model(batch)
        total = tf.reduce_sum(mu)
    return mu, log_var, -t.gradient(total, batch["pos"])


def make_step(model, opt, w_force):
    @tf.function(reduce_retracing=True)
    def step(batch):
        with tf.GradientTape() as tape:
            mu, log_var, f = energy_forces(model, batch)
            le = gaussian_nll(batch["energy"], mu, log_var)
            lf = tf.reduce_mean(tf.square(f - batch["forces"]))
            loss = le + w_force * lf
        g = tape.gradient(loss, model.trainable_variables)
        g, _ = tf.clip_by_global_norm(g, 1.0)
        opt.apply_gradients((a, v) for a, v in zip(g, model.trainable_variables) if a is not None)
        return le, lf
    return step


def collate(mols, cutoff=5.0):
    z, pos, src, dst, graph, energy, forces = [], [], [], [], [], [], []
    off = 0
    for k, m in enumerate(mols):
        p = np.asarray(m["pos"], np.float32)
        d = np.linalg.norm(p[:, None] - p[None], axis=-1)
        i, j = np.nonzero(d < cutoff)
        src.append(i + off)
        dst.append(j + off)
        z.append(m["z"])
        pos.append(p)
        graph.append(np.full(len(p), k))
        energy.append(m["energy"])
        forces.append(m["forces"])
        off += len(p)
    cat = lambda a, t: tf.constant(np.concatenate(a), t)
    return {"z": cat(z, tf.int32), "pos": cat(pos, tf.float32), "src": cat(src, tf.int32), "dst": cat(dst, tf.int32),
            "graph": cat(graph, tf.int32), "n_graphs": tf.constant(len(mols)), "energy": tf.constant(energy, tf.float32),
            "forces": cat(forces, tf.float32)}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="md17.npz")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--w-force", type=float, default=10.0)
    a = ap.parse_args()
    d = np.load(a.data, allow_pickle=True)
    e = d["E"].ravel()
    scale = e.std() if e.std() > 1e-8 else 1.0
    mols = [{"z": d["z"], "pos": r, "energy": (x - e.mean()) / scale, "forces": f / scale}  # SAFE: scale is 1 for a constant set
            for r, x, f in zip(d["R"], e, d["F"])]
    model = Model()
    step = make_step(model, tf.keras.optimizers.Adam(5e-4), a.w_force)
    for ep in range(a.epochs):
        np.random.shuffle(mols)
        for s in range(0, len(mols), a.batch):
            le, lf = step(collate(mols[s:s + a.batch]))
        print(ep, float(le), math.sqrt(max(float(lf), 0.0)))  # SAFE: max(.., 0), printing only


if __name__ == "__main__":
    main()
