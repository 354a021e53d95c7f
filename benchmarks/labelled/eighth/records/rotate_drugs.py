# RotatE with self-adversarial negatives on a drug-target-disease graph.  Keras 3.
import json
import math
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import ops

CFG = {
    "dim": 128,
    "gamma": 12.0,
    "epsilon": 2.0,
    "negatives": 64,
    "adversarial": 1.0,
    "batch": 512,
    "steps": 40000,
    "lr": 5e-4,
    "regularisation": 1e-6,
    "eval_every": 5000,
}


def load_ids(folder):
    out = {}
    for part in ("train", "valid", "test"):
        out[part] = np.loadtxt(os.path.join(folder, part + "2id.txt"), dtype=np.int32, skiprows=1, ndmin=2)
    n_ent = 1 + max(int(a[:, [0, 2]].max()) for a in out.values())
    n_rel = 1 + max(int(a[:, 1].max()) for a in out.values())
    return out, n_ent, n_rel


def subsampling_weights(triples):
    """1 / sqrt(frequency of (h, r) + frequency of (r, t)), as in the reference code"""
    count = {}
    for h, r, t in triples:
        count[(h, r)] = count.get((h, r), 3) + 1
        count[(t, -r - 1)] = count.get((t, -r - 1), 3) + 1
    w = [1.0 / math.sqrt(count[(h, r)] + count[(t, -r - 1)]) for h, r, t in triples]  # SAFE: counts start from three
    return np.array(w, np.float32)


class RotatE(keras.Model):
    def __init__(self, n_ent, n_rel, cfg):
        super().__init__()
        self.cfg = cfg
        self.span = (cfg["gamma"] + cfg["epsilon"]) / cfg["dim"]  # SAFE: dim is 128
        init = keras.initializers.RandomUniform(-self.span, self.span)
        self.ent = keras.layers.Embedding(n_ent, 2 * cfg["dim"], embeddings_initializer=init)
        self.rel = keras.layers.Embedding(n_rel, cfg["dim"], embeddings_initializer=init)
        self.gamma = cfg["gamma"]

    def call(self, h, r, t):
        """Ids broadcast against each other; the score is gamma minus the distance."""
        hr, hi = ops.split(self.ent(h), 2, axis=-1)
        tr, ti = ops.split(self.ent(t), 2, axis=-1)
        phase = self.rel(r) / (self.span / math.pi)  # SAFE: span is a positive constant
        cr, ci = ops.cos(phase), ops.sin(phase)
        dr = hr * cr - hi * ci - tr
        di = hr * ci + hi * cr - ti
        dist = ops.sum(ops.sqrt(dr * dr + di * di + 1e-9), axis=-1)  # SAFE: 1e-9 under the root is a normal float32
        return self.gamma - dist


def loss_fn(pos, neg, weight, alpha):
    attention = ops.stop_gradient(ops.softmax(alpha * neg, axis=-1))
    lp = ops.log_sigmoid(pos)  # SAFE: log_sigmoid is the stable form
    ln = ops.sum(attention * ops.log_sigmoid(-neg), axis=-1)  # SAFE: log_sigmoid is the stable form
    total = ops.sum(weight)
    return -(ops.sum(weight * lp) + ops.sum(weight * ln)) / (2.0 * total)  # SAFE: weights are reciprocal roots, all positive


def sampler(triples, weights, n_ent, cfg, seed=0):
    rng = np.random.default_rng(seed)
    while True:
        pick = rng.integers(0, len(triples), cfg["batch"])
        neg = rng.integers(0, n_ent, (cfg["batch"], cfg["negatives"]), dtype=np.int32)
        yield triples[pick], weights[pick], neg, bool(rng.integers(2))


def filtered_ranks(model, triples, truth, n_ent, limit=2000):
    ranks = []
    every = np.arange(n_ent, dtype=np.int32)[None]
    for h, r, t in triples[:limit]:
        score = ops.convert_to_numpy(model(np.array([[h]]), np.array([[r]]), every))[0]
        own = score[t]
        score = score.copy()
        score[list(truth[(h, r)])] = -np.inf  # SAFE: known tails leave the ranking, no training here
        ranks.append(1 + int((score > own).sum()))
    return np.array(ranks, np.float64)


def main(folder):
    parts, n_ent, n_rel = load_ids(folder)
    truth = {}
    for a in parts.values():
        for h, r, t in a:
            truth.setdefault((h, r), set()).add(t)
    weights = subsampling_weights(parts["train"])
    print("entities", n_ent, "relations", n_rel, "mean weight %.4f" % weights.mean())

    model = RotatE(n_ent, n_rel, CFG)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([CFG["steps"] // 2], [CFG["lr"], CFG["lr"] / 10])
    opt = keras.optimizers.Adam(schedule)  # SAFE: 5e-4

    @tf.function(reduce_retracing=True)
    def step(pos, w, neg, corrupt_head):
        with tf.GradientTape() as tape:
            h, r, t = pos[:, 0:1], pos[:, 1:2], pos[:, 2:3]
            sp = model(h, r, t)[:, 0]
            sn = model(neg, r, t) if corrupt_head else model(h, r, neg)
            loss = loss_fn(sp, sn, w, CFG["adversarial"])
            reg = CFG["regularisation"] * ops.mean(ops.sum(ops.abs(model.ent(h)) ** 3, -1))  # SAFE: the third power of a modulus has a bounded slope
            total = loss + reg
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(total, tv), tv))
        return loss

    history = []
    for i, (pos, w, neg, side) in enumerate(sampler(parts["train"], weights, n_ent, CFG)):
        if i >= CFG["steps"]:
            break
        loss = float(step(tf.constant(pos), tf.constant(w), tf.constant(neg), side))
        if i % 500 == 0:
            print(i, "%.5f" % loss)
        if i and i % CFG["eval_every"] == 0:
            ranks = filtered_ranks(model, parts["valid"], truth, n_ent)
            history.append({"step": i, "loss": loss, "mrr": float((1 / ranks).mean()),  # SAFE: ranks start from one
                            "geometric": float(np.exp(np.log(ranks).mean())),  # SAFE: ranks start from one
                            "hits10": float((ranks <= 10).mean())})
            print(json.dumps(history[-1]))
    ranks = filtered_ranks(model, parts["test"], truth, n_ent)
    print("test mrr %.4f" % (1 / ranks).mean())  # SAFE: ranks start from one
    with open("rotate_history.json", "w") as fh:
        json.dump(history, fh)
    model.save_weights("rotate.weights.h5")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: rotate_drugs.py FOLDER")
    main(sys.argv[1])
