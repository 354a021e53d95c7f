import numpy as np


class Pendulum:
    """Swing-up task with the classic-control dynamics."""

    g, m, l, dt = 10.0, 1.0, 1.0, 0.05

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        self.th = self.rng.uniform(-np.pi, np.pi)
        self.w = self.rng.uniform(-1, 1)
        self.t = 0
        return self._obs()

    def _obs(self):
        return np.array([np.cos(self.th), np.sin(self.th), self.w / 8.0], np.float32)

    def step(self, u):
        u = float(np.clip(u, -2.0, 2.0))
        th = (self.th + np.pi) % (2 * np.pi) - np.pi
        cost = th ** 2 + 0.1 * self.w ** 2 + 0.001 * u ** 2
        acc = 3 * self.g / (2 * self.l) * np.sin(self.th) + 3.0 / (self.m * self.l ** 2) * u  # SAFE: mass and length are class constants
        self.w = np.clip(self.w + acc * self.dt, -8, 8)
        self.th += self.w * self.dt
        self.t += 1
        return self._obs(), -cost, self.t >= 200
