import numpy as np


class RunningNorm:
    """Welford observation normaliser."""

    def __init__(self, dim, clip=10.0):
        self.n, self.mean, self.m2, self.clip = 0, np.zeros(dim), np.zeros(dim), clip

    def update(self, x):
        self.n += 1
        d = x - self.mean
        self.mean += d / self.n  # SAFE: n was just incremented, at least 1
        self.m2 += d * (x - self.mean)

    def __call__(self, x):
        std = np.sqrt(self.m2 / max(self.n - 1, 1))  # SAFE: m2 is a sum of non-negative terms and the count is floored
        return np.clip((x - self.mean) / (std + 1e-8), -self.clip, self.clip).astype("float32")  # SAFE: epsilon after the root in float64, then clipped


class PrioritizedReplay:
    def __init__(self, obs_dim, act_dim, size=100000, alpha=0.6, beta=0.4):
        self.o = np.zeros((size, obs_dim), "float32")
        self.o2 = np.zeros((size, obs_dim), "float32")
        self.a = np.zeros((size, act_dim), "float32")
        self.r = np.zeros(size, "float32")
        self.d = np.zeros(size, "float32")
        self.prio = np.zeros(size, "float64")
        self.alpha, self.beta, self.size = alpha, beta, size
        self.ptr = self.n = 0
        self.max_prio = 1.0

    def add(self, o, a, r, o2, d):
        k = self.ptr
        self.o[k], self.a[k], self.r[k], self.o2[k], self.d[k] = o, a, r, o2, d
        self.prio[k] = self.max_prio
        self.ptr = (k + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def sample(self, batch):
        p = self.prio[:self.n] ** self.alpha
        p = p / p.sum()  # SAFE: every stored priority is at least 1e-3
        idx = np.random.choice(self.n, batch, p=p)
        w = (self.n * p[idx]) ** (-self.beta)  # SAFE: sampled entries have positive probability
        w = (w / w.max()).astype("float32")
        return idx, w, self.o[idx], self.a[idx], self.r[idx], self.o2[idx], self.d[idx]

    def update(self, idx, td):
        self.prio[idx] = np.abs(td) + 1e-3
        self.max_prio = max(self.max_prio, float(self.prio[idx].max()))
