import numpy as np


class RunningNorm:
    """Welford statistics of the observations."""

    def __init__(self, dim, clip=10.0):
        self.n = 1e-4
        self.mean = np.zeros(dim, np.float64)
        self.var = np.ones(dim, np.float64)
        self.clip = clip

    def update(self, x):
        m, v, k = x.mean(0), x.var(0), len(x)
        delta = m - self.mean
        total = self.n + k
        self.mean = self.mean + delta * k / total  # SAFE: the count starts at 1e-4, so the total is positive
        self.var = (self.var * self.n + v * k + delta ** 2 * self.n * k / total) / total  # SAFE: same count
        self.n = total

    def __call__(self, x):
        z = (x - self.mean) / np.sqrt(self.var + 1e-8)  # SAFE: epsilon inside the root, and the result is clipped
        return np.clip(z, -self.clip, self.clip).astype(np.float32)


class ActionScaler:

    def __init__(self, low, high):
        self.low, self.high = np.asarray(low, np.float32), np.asarray(high, np.float32)
        assert np.all(self.high > self.low)

    def to_unit(self, a):
        a = np.clip(a, self.low, self.high)
        return 2.0 * (a - self.low) / (self.high - self.low) - 1.0  # SAFE: the constructor asserts high > low

    def to_env(self, u):
        return self.low + 0.5 * (u + 1.0) * (self.high - self.low)


class Replay:

    def __init__(self, obs_dim, act_dim, size):
        self.obs = np.zeros((size, obs_dim), np.float32)
        self.nxt = np.zeros((size, obs_dim), np.float32)
        self.act = np.zeros((size, act_dim), np.float32)
        self.rew = np.zeros(size, np.float32)
        self.done = np.zeros(size, np.float32)
        self.prio = np.zeros(size, np.float64)
        self.size, self.n, self.i = size, 0, 0

    def add(self, o, a, r, o2, d):
        i = self.i
        self.obs[i], self.act[i], self.rew[i], self.nxt[i], self.done[i] = o, a, r, o2, d
        self.prio[i] = self.prio[:self.n].max() if self.n else 1.0
        self.i = (i + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def sample(self, k, beta=0.4, rng=np.random):
        p = self.prio[:self.n] ** 0.6
        p = p / p.sum()  # SAFE: priorities are at least 1e-6 for stored rows, see set_priorities
        idx = rng.choice(self.n, k, p=p)
        w = (self.n * p[idx]) ** (-beta)  # SAFE: drawn rows have positive probability
        w = w / w.max()  # SAFE: weights are positive
        return idx, w.astype(np.float32)

    def set_priorities(self, idx, td):
        self.prio[idx] = np.abs(td) + 1e-6


def load_demos(path):
    """npz recorded by a joystick: observations, actions in env units, rewards, dones"""
    with np.load(path) as z:
        return {k: z[k] for k in ("obs", "act", "rew", "done")}
