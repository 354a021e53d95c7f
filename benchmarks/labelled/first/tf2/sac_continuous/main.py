import argparse
import dataclasses
import gymnasium as gym
import numpy as np
import tensorflow as tf
from agent import SAC, DDPG
from config import SACConfig


class Buffer:
    def __init__(self, n, no, na):
        self.s, self.s2 = np.zeros((n, no), "float32"), np.zeros((n, no), "float32")
        self.a, self.r, self.d = np.zeros((n, na), "float32"), np.zeros((n, 1), "float32"), np.zeros((n, 1), "float32")
        self.n, self.i, self.full = n, 0, False

    def add(self, *t):
        for arr, v in zip((self.s, self.a, self.r, self.s2, self.d), t):
            arr[self.i] = v
        self.i += 1
        if self.i == self.n:
            self.i, self.full = 0, True

    def batch(self, k):
        j = np.random.randint(0, self.n if self.full else self.i, k)
        return [tf.constant(v[j]) for v in (self.s, self.a, self.r, self.s2, self.d)]


def main():
    p = argparse.ArgumentParser()
    for f in dataclasses.fields(SACConfig):
        p.add_argument("--" + f.name, type=f.type if callable(f.type) else str, default=f.default)
    cfg = SACConfig(**vars(p.parse_args()))
    env = gym.make(cfg.env)
    na = env.action_space.shape[0]
    agent = DDPG(na, cfg) if cfg.algo == "ddpg" else SAC(na, cfg)
    buf = Buffer(500_000, env.observation_space.shape[0], na)
    s, _ = env.reset()
    ep, hist = 0.0, []
    scale = env.action_space.high[0]
    for t in range(cfg.steps):
        if t < cfg.start:
            a = env.action_space.sample() / scale  # SAFE: action bound of the environment is 1
        elif cfg.algo == "ddpg":
            a = np.clip(agent.mu(s[None].astype("float32"))[0] + 0.1 * np.random.randn(na), -1, 1)
        else:
            a = agent.actor.sample(s[None].astype("float32"))[0][0].numpy()
        s2, r, term, trunc, _ = env.step(a * scale)
        buf.add(s, a, r, s2, float(term))
        s, ep = s2, ep + r
        if term or trunc:
            hist.append(ep)
            s, ep = env.reset()[0], 0.0
        if t >= cfg.start:
            agent.update(*buf.batch(cfg.batch))
        if t % 10_000 == 0 and hist:
            print(t, np.mean(hist[-10:]), sum(hist) / len(hist))  # SAFE: only when hist is not empty


if __name__ == "__main__":
    main()
