import numpy as np


class OfflineData:
    """D4RL style dictionary of arrays."""

    def __init__(self, arrays, seed=0):
        self.obs = arrays["observations"].astype(np.float32)
        self.next_obs = arrays["next_observations"].astype(np.float32)
        self.act = np.clip(arrays["actions"].astype(np.float32), -1.0, 1.0)
        self.rew = arrays["rewards"].astype(np.float32)
        self.done = arrays["terminals"].astype(np.float32)
        self.rng = np.random.default_rng(seed)
        self.mean = self.obs.mean(0)
        self.std = self.obs.std(0)

    @classmethod
    def from_npz(cls, path, seed=0):
        with np.load(path) as f:
            return cls({k: f[k] for k in f.files}, seed)

    def normalise(self):
        for name in ("obs", "next_obs"):
            x = getattr(self, name)
            setattr(self, name, (x - self.mean) / (self.std + 1e-3))  # SAFE: 1e-3 is added to a non-negative std

    def scale_rewards(self):
        span = self.rew.max() - self.rew.min()
        if span > 0:
            self.rew = (self.rew - self.rew.min()) / span  # SAFE: guarded by the test of span

    def batch(self, n):
        i = self.rng.integers(0, len(self.obs), n)
        return self.obs[i], self.act[i], self.rew[i], self.next_obs[i], self.done[i]
