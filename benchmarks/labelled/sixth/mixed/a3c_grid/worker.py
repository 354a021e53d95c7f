import numpy as np
import tensorflow.compat.v1 as tf


class GridWorld:
    def __init__(self, n=6, seed=0, limit=60):
        self.n, self.limit, self.rng = n, limit, np.random.RandomState(seed)
        self.moves = [(0, 1), (0, -1), (1, 0), (-1, 0)]

    def obs(self):
        s = np.zeros((2, self.n, self.n), np.float32)
        s[0][tuple(self.pos)] = 1
        s[1][tuple(self.goal)] = 1
        return s.ravel()

    def reset(self):
        self.pos, self.goal, self.t = self.rng.randint(0, self.n, 2), self.rng.randint(0, self.n, 2), 0
        return self.obs()

    def step(self, a):
        self.pos = np.clip(self.pos + self.moves[a], 0, self.n - 1)
        self.t += 1
        hit = bool((self.pos == self.goal).all())
        return self.obs(), (1.0 if hit else -0.01), hit or self.t >= self.limit


def discount(x, gamma):
    out, run = np.zeros(len(x)), 0.0
    for k in reversed(range(len(x))):
        run = x[k] + gamma * run
        out[k] = run
    return out


class Worker:
    def __init__(self, env, net, gamma=0.95, lam=1.0, seed=0):
        self.env, self.net, self.gamma, self.lam = env, net, gamma, lam
        self.rng = np.random.RandomState(seed)
        self.history = []

    def episode(self, sess):
        s, done, buf, tot = self.env.reset(), False, [], 0.0
        while not done:
            a, v = self.net.act(sess, s, self.rng)
            s2, r, done = self.env.step(a)
            buf.append((s, a, r, v))
            s, tot = s2, tot + r
        self.history.append(tot)
        return buf

    def train(self, sess, buf, bootstrap=0.0):
        s, a, r, v = map(np.array, zip(*buf))
        ret = discount(np.append(r, bootstrap), self.gamma)[:-1]
        delta = r + self.gamma * np.append(v[1:], bootstrap) - v
        adv = discount(delta, self.gamma * self.lam)
        net = self.net
        loss, ent, _ = sess.run([net.loss, net.entropy, net.train_op],
                                {net.state: s, net.actions: a, net.adv: adv, net.target_v: ret})
        return loss / len(buf), ent / len(buf)  # SAFE: an episode has at least one step

    def smooth(self, k=50):
        h = self.history[-k:]
        return float(np.mean(h)) if h else 0.0  # SAFE: guarded for an empty history
