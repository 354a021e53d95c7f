"""Distributional DQN (C51) with prioritised replay on a small gridworld."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class Grid:
    moves = ((0, 1), (1, 0), (0, -1), (-1, 0))

    def __init__(self, n=6, seed=0):
        self.n = n
        self.rng = np.random.default_rng(seed)
        self.holes = {(2, 2), (3, 1), (1, 4)}

    def reset(self):
        self.p, self.t = (0, 0), 0
        return self.obs()

    def obs(self):
        return np.array([self.p[0], self.p[1], self.t / 4.0], np.float32) / self.n  # SAFE: n is 6

    def step(self, a):
        if self.rng.random() < 0.1:
            a = self.rng.integers(4)
        d = self.moves[a]
        self.p = tuple(int(np.clip(self.p[i] + d[i], 0, self.n - 1)) for i in range(2))
        self.t += 1
        if self.p in self.holes:
            return self.obs(), -1.0, True
        if self.p == (self.n - 1, self.n - 1):
            return self.obs(), 1.0, True
        return self.obs(), 0.0, self.t >= 50


class PrioritisedReplay:
    def __init__(self, size, alpha=0.6, eps=1e-3):
        self.size, self.alpha, self.eps = size, alpha, eps
        self.prio = np.zeros(size)
        self.data, self.n, self.head = [None] * size, 0, 0

    def add(self, item):
        self.prio[self.head] = self.prio.max() or 1.0
        self.data[self.head] = item
        self.head = (self.head + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def sample(self, k, beta):
        p = self.prio[:self.n]
        p = p / p.sum()  # SAFE: every stored priority is at least eps**alpha or 1
        idx = np.random.choice(self.n, k, p=p)
        w = (self.n * p[idx]) ** -beta  # SAFE: sampled entries have positive probability
        w /= w.max()  # SAFE: weights are positive
        batch = [np.stack(c).astype(np.float32) for c in zip(*[self.data[i] for i in idx])]
        return idx, w.astype(np.float32), batch

    def update(self, idx, err):
        self.prio[idx] = (np.abs(err) + self.eps) ** self.alpha


class QDist(tf.keras.Model):
    def __init__(self, n_act, atoms):
        super().__init__()
        self.n_act, self.atoms = n_act, atoms
        self.body = [layers.Dense(64, activation="relu") for _ in range(2)]
        self.adv = layers.Dense(n_act * atoms)
        self.val = layers.Dense(atoms)

    def call(self, o):
        for b in self.body:
            o = b(o)
        a = tf.reshape(self.adv(o), [-1, self.n_act, self.atoms])
        return self.val(o)[:, None] + a - tf.reduce_mean(a, 1, keepdims=True)


class Agent:
    def __init__(self, vmin, vmax, atoms, gamma, lr):
        self.z = tf.linspace(vmin, vmax, atoms)
        self.dz = (vmax - vmin) / (atoms - 1)  # SAFE: parser asks for at least 2 atoms
        self.vmin, self.vmax, self.gamma = vmin, vmax, gamma
        self.net, self.target = QDist(4, atoms), QDist(4, atoms)
        for m in (self.net, self.target):
            m(tf.zeros([1, 3]))
        self.sync()
        self.opt = tf.keras.optimizers.Adam(lr, epsilon=1e-4)

    def sync(self):
        self.target.set_weights(self.net.get_weights())

    def act(self, o, eps):
        if np.random.rand() < eps:
            return np.random.randint(4)
        q = tf.reduce_sum(tf.nn.softmax(self.net(o[None])) * self.z, -1)
        return int(tf.argmax(q[0]))

    def project(self, r, done, p):
        tz = tf.clip_by_value(r[:, None] + self.gamma * (1.0 - done[:, None]) * self.z, self.vmin, self.vmax)
        tri = 1.0 - tf.abs(tz[:, None, :] - self.z[None, :, None]) / self.dz  # SAFE: dz is positive, see __init__
        return tf.reduce_sum(tf.maximum(tri, 0.0) * p[:, None, :], -1)

    @tf.function
    def learn(self, o, a, r, o2, done, w):
        a = tf.cast(a, tf.int32)
        best = tf.argmax(tf.reduce_sum(tf.nn.softmax(self.net(o2)) * self.z, -1), -1, output_type=tf.int32)
        p2 = tf.gather(tf.nn.softmax(self.target(o2)), best, batch_dims=1)
        m = tf.stop_gradient(self.project(r, done, p2))
        with tf.GradientTape() as tape:
            logp = tf.nn.log_softmax(tf.gather(self.net(o), a, batch_dims=1))  # SAFE: log_softmax, not log of softmax
            ce = -tf.reduce_sum(m * logp, -1)
            loss = tf.reduce_mean(w * ce)
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, self.net.trainable_variables), 10.0)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        ent = -tf.reduce_sum(m * tf.math.log(tf.maximum(m, 1e-12)), -1)  # SAFE: floored, and m has no gradient
        return loss, tf.maximum(ce - ent, 0.0)


def main(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("--atoms", type=int, default=21)
    ap.add_argument("--steps", type=int, default=20000)
    ap.add_argument("--gamma", type=float, default=0.97)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--anneal", type=int, default=5000)
    a = ap.parse_args(argv)
    if a.atoms < 2:
        ap.error("need at least 2 atoms")
    env, buf = Grid(), PrioritisedReplay(20000)
    agent = Agent(-1.0, 1.0, a.atoms, a.gamma, a.lr)
    o, rets, total = env.reset(), [], 0.0
    for t in range(a.steps):
        frac = min(1.0, t / max(1, a.anneal))  # SAFE: floored at 1
        act = agent.act(o, 1.0 - 0.95 * frac)
        o2, r, d = env.step(act)
        buf.add((o, np.float32(act), np.float32(r), o2, np.float32(d)))
        o, total = o2, total + r
        if d:
            rets.append(total)
            o, total = env.reset(), 0.0
        if t >= 200:
            idx, w, batch = buf.sample(32, 0.4 + 0.6 * frac)
            loss, err = agent.learn(*[tf.constant(b) for b in batch], tf.constant(w))
            buf.update(idx, err.numpy())
            if t % 500 == 0:
                agent.sync()
                print(t, float(loss), np.mean(rets[-20:]) if rets else None)


if __name__ == "__main__":
    main()
