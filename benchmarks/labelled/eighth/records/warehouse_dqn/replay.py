"""Proportional prioritised replay on a plain array (the capacity is small enough for a full cumsum)."""
import numpy as np


class PrioritisedReplay:
    def __init__(self, capacity, alpha, beta_start, beta_steps, initial_priority, frame_shape):
        self.capacity = capacity
        self.alpha = alpha
        self.beta_start, self.beta_steps = beta_start, beta_steps
        self.top = initial_priority
        self.frames = np.zeros((capacity,) + frame_shape, np.uint8)
        self.nexts = np.zeros((capacity,) + frame_shape, np.uint8)
        self.actions = np.zeros(capacity, np.int32)
        self.rewards = np.zeros(capacity, np.float32)
        self.dones = np.zeros(capacity, np.float32)
        self.priority = np.zeros(capacity, np.float64)
        self.pos, self.size = 0, 0

    def add(self, frame, action, reward, nxt, done):
        i = self.pos
        self.frames[i], self.nexts[i] = frame, nxt
        self.actions[i], self.rewards[i], self.dones[i] = action, reward, done
        self.priority[i] = self.top
        self.pos = (i + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def beta(self, step):
        frac = min(1.0, step / self.beta_steps)  # SAFE: beta_steps is 400000 in conf
        return self.beta_start + frac * (1.0 - self.beta_start)

    def sample(self, n, step, rng):
        scaled = self.priority[:self.size] ** self.alpha
        prob = scaled / scaled.sum()  # BUG: div-zero, new transitions get the initial priority 0 so the first sum is 0
        cum = np.cumsum(prob)
        idx = np.minimum(np.searchsorted(cum, rng.random(n)), self.size - 1)
        weight = (self.size * np.maximum(prob[idx], 1e-12)) ** -self.beta(step)  # SAFE: probability floored before the power
        weight /= weight.max()  # SAFE: the largest weight is positive
        return idx, weight.astype(np.float32)

    def batch(self, idx):
        motion = self.nexts[idx] - self.frames[idx]  # BUG: cast, the difference of uint8 maps wraps around
        state = np.concatenate([self.frames[idx], motion], axis=-1)
        after = np.concatenate([self.nexts[idx], motion], axis=-1)
        return state, self.actions[idx], self.rewards[idx], after, self.dones[idx]

    def update(self, idx, td):
        p = np.abs(td).astype(np.float64) + 1e-3
        self.priority[idx] = p
        self.top = max(self.top, float(p.max()))
