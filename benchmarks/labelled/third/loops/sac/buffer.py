import numpy as np


class ReplayBuffer:
    def __init__(self, obs_dim, act_dim, size):
        self.obs = np.zeros((size, obs_dim), np.float32)
        self.next_obs = np.zeros((size, obs_dim), np.float32)
        self.act = np.zeros((size, act_dim), np.float32)
        self.rew = np.zeros(size, np.float32)
        self.done = np.zeros(size, np.float32)
        self.ptr, self.size, self.max_size = 0, 0, size

    def add(self, o, a, r, o2, d):
        i = self.ptr
        self.obs[i], self.act[i], self.rew[i] = o, a, r
        self.next_obs[i], self.done[i] = o2, d
        self.ptr = (self.ptr + 1) % self.max_size
        self.size = min(self.size + 1, self.max_size)

    def sample(self, n):
        idx = np.random.randint(0, self.size, size=n)
        return (self.obs[idx], self.act[idx], self.rew[idx],
                self.next_obs[idx], self.done[idx])


class RunningNorm:
    """Welford statistics of the observations."""

    def __init__(self, dim, clip):
        self.mean = np.zeros(dim, np.float64)
        self.m2 = np.zeros(dim, np.float64)
        self.count = 0
        self.clip = clip

    def update(self, x):
        self.count += 1
        delta = x - self.mean
        self.mean += delta / self.count  # SAFE: count was incremented just before
        self.m2 += delta * (x - self.mean)

    def __call__(self, x):
        var = self.m2 / max(self.count - 1, 1)  # SAFE: max(.., 1)
        z = (x - self.mean) / np.sqrt(var + 1e-8)  # SAFE: 1e-8 inside the root, float64
        return np.clip(z, -self.clip, self.clip).astype(np.float32)
