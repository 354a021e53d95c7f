import math

import keras
import tensorflow as tf
from keras import layers

import geometry as geo


def shifted_softplus(x):
    return tf.nn.softplus(x) - math.log(2.0)  # SAFE: softplus is linear for large inputs


class Interaction(layers.Layer):

    def __init__(self, dim):
        super().__init__()
        self.f1, self.f2 = layers.Dense(dim, activation=shifted_softplus), layers.Dense(dim)
        self.a, self.b = layers.Dense(dim, use_bias=False), layers.Dense(dim, activation=shifted_softplus)
        self.c = layers.Dense(dim)

    def call(self, h, basis, cut, i, j):
        w = self.f2(self.f1(basis)) * cut[:, None]
        msg = tf.gather(self.a(h), j) * w
        agg = tf.math.unsorted_segment_sum(msg, i, tf.shape(h)[0])
        deg = tf.math.unsorted_segment_sum(tf.ones_like(cut), i, tf.shape(h)[0])
        agg = agg / tf.sqrt(tf.maximum(deg, 1.0))[:, None]  # SAFE: floor of one neighbour
        return h + self.c(self.b(agg))


class SchNet(keras.Model):

    CUTOFFS = {"cosine": geo.cosine_cutoff, "bump": geo.bump_cutoff, "poly": geo.polynomial_cutoff}

    def __init__(self, cfg):
        super().__init__()
        self.cutoff, self.n_basis = cfg.cutoff, cfg.n_basis
        self.smooth = self.CUTOFFS[cfg.smooth]
        self.emb = layers.Embedding(20, cfg.dim)
        self.blocks = [Interaction(cfg.dim) for _ in range(cfg.depth)]
        self.out1, self.out2 = layers.Dense(cfg.dim // 2, activation=shifted_softplus), layers.Dense(1)

    def energy(self, g, pos, n_mol):
        d = geo.pair_distances(pos, g["i"], g["j"])
        basis = geo.gaussian_basis(d, self.cutoff, self.n_basis)
        cut = self.smooth(d, self.cutoff)
        h = self.emb(g["z"])
        for b in self.blocks:
            h = b(h, basis, cut, g["i"], g["j"])
        atom = self.out2(self.out1(h))[:, 0]
        return tf.math.unsorted_segment_sum(atom, g["mol"], n_mol)

    def call(self, g):
        n = tf.shape(g["e"])[0]
        with tf.GradientTape() as tape:
            tape.watch(g["pos"])
            e = self.energy(g, g["pos"], n)
        return e, -tf.convert_to_tensor(tape.gradient(e, g["pos"]))
