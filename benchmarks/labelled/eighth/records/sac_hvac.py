"""Soft actor-critic for chilled-water set points on the plant simulator.

The simulator is a gym-style object loaded from a python path, e.g.
    python sac_hvac.py --env plant.sim:ChillerPlant --steps 200000
"""
import argparse
import importlib
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.keras import Sequential, layers, optimizers

LOG_2PI = float(np.log(2.0 * np.pi))


class Replay:
    def __init__(self, obs_dim, act_dim, size):
        self.o = np.zeros((size, obs_dim), np.float32)
        self.o2 = np.zeros((size, obs_dim), np.float32)
        self.a = np.zeros((size, act_dim), np.float32)
        self.r = np.zeros(size, np.float32)
        self.d = np.zeros(size, np.float32)
        self.ptr, self.n, self.cap = 0, 0, size

    def add(self, o, a, r, o2, d):
        i = self.ptr
        self.o[i], self.a[i], self.r[i], self.o2[i], self.d[i] = o, a, r, o2, d
        self.ptr = (i + 1) % self.cap
        self.n = min(self.n + 1, self.cap)

    def sample(self, k):
        idx = np.random.randint(0, self.n, size=k)
        return tuple(tf.constant(x[idx]) for x in (self.o, self.a, self.r, self.o2, self.d))


class RunningNorm:
    """Welford statistics of the observations."""

    def __init__(self, dim):
        self.mean = np.zeros(dim)
        self.m2 = np.zeros(dim)
        self.count = 0

    def update(self, x):
        self.count += 1
        delta = x - self.mean
        self.mean += delta / self.count  # SAFE: count was just incremented
        self.m2 += delta * (x - self.mean)

    def __call__(self, x):
        if self.count < 2:
            return x.astype(np.float32)
        std = np.sqrt(self.m2 / (self.count - 1))  # SAFE: count is at least two here, m2 a sum of squares
        return np.clip((x - self.mean) / np.maximum(std, 1e-3), -10, 10).astype(np.float32)  # SAFE: std is floored


def mlp(sizes, out):
    return Sequential([layers.Dense(s, activation="relu") for s in sizes] + [layers.Dense(out)])


class Actor(tf.keras.Model):
    LOG_STD = (-5.0, 2.0)

    def __init__(self, act_dim, hidden):
        super().__init__()
        self.trunk = mlp(hidden, 2 * act_dim)

    def call(self, obs):
        mu, log_std = tf.split(self.trunk(obs), 2, axis=-1)
        return mu, tf.clip_by_value(log_std, *self.LOG_STD)

    def sample(self, obs):
        mu, log_std = self(obs)
        std = tf.exp(log_std)  # SAFE: log_std is clipped in call
        u = mu + std * tf.random.normal(tf.shape(mu))
        z = (u - mu) / std  # SAFE: std is at least exp(-5)
        logp = -0.5 * (z ** 2 + LOG_2PI) - log_std
        a = tf.tanh(u)
        logp -= tf.math.log(1.0 - a ** 2)  # BUG: log-zero, tanh rounds to 1 for |u| above 9
        return a, tf.reduce_sum(logp, axis=-1)


class SAC:
    def __init__(self, obs_dim, act_dim, args):
        self.gamma, self.tau = args.gamma, args.tau
        self.actor = Actor(act_dim, args.hidden)
        self.q1, self.q2 = mlp(args.hidden, 1), mlp(args.hidden, 1)
        self.t1, self.t2 = mlp(args.hidden, 1), mlp(args.hidden, 1)
        dummy = tf.zeros((1, obs_dim + act_dim))
        for net in (self.q1, self.q2, self.t1, self.t2):
            net(dummy)
        self.actor(tf.zeros((1, obs_dim)))
        self.t1.set_weights(self.q1.get_weights())
        self.t2.set_weights(self.q2.get_weights())
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(act_dim)
        self.opt_a = optimizers.Adam(args.lr)
        self.opt_q = optimizers.Adam(args.lr)
        self.opt_alpha = optimizers.Adam(args.lr)

    @tf.function
    def update(self, o, a, r, o2, d):
        alpha = tf.exp(tf.clip_by_value(self.log_alpha, -8.0, 3.0))  # SAFE: exponent is clipped
        a2, logp2 = self.actor.sample(o2)
        x2 = tf.concat([o2, a2], -1)
        q_next = tf.squeeze(tf.minimum(self.t1(x2), self.t2(x2)), -1)
        target = tf.stop_gradient(r + self.gamma * (1 - d) * (q_next - alpha * logp2))
        x = tf.concat([o, a], -1)
        with tf.GradientTape() as tape:
            e1 = tf.squeeze(self.q1(x), -1) - target
            e2 = tf.squeeze(self.q2(x), -1) - target
            q_loss = tf.reduce_mean(e1 ** 2 + e2 ** 2)  # SAFE: rewards are scaled in the loop
        q_vars = self.q1.trainable_variables + self.q2.trainable_variables
        self.opt_q.apply_gradients(zip(tape.gradient(q_loss, q_vars), q_vars))

        with tf.GradientTape() as tape:
            a_new, logp = self.actor.sample(o)
            xn = tf.concat([o, a_new], -1)
            q = tf.squeeze(tf.minimum(self.q1(xn), self.q2(xn)), -1)
            a_loss = tf.reduce_mean(alpha * logp - q)
        av = self.actor.trainable_variables
        self.opt_a.apply_gradients(zip(tape.gradient(a_loss, av), av))

        with tf.GradientTape() as tape:
            gap = tf.stop_gradient(logp + self.target_entropy)
            al_loss = -tf.reduce_mean(self.log_alpha * gap)
        self.opt_alpha.apply_gradients([(tape.gradient(al_loss, self.log_alpha), self.log_alpha)])

        for src, dst in ((self.q1, self.t1), (self.q2, self.t2)):
            for s, t in zip(src.trainable_variables, dst.trainable_variables):
                t.assign(self.tau * s + (1 - self.tau) * t)
        return q_loss, a_loss, alpha


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--env", required=True)
    p.add_argument("--steps", type=int, default=200_000)
    p.add_argument("--warmup", type=int, default=2_000)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--tau", type=float, default=0.005)
    p.add_argument("--hidden", type=int, nargs="+", default=[256, 256])
    p.add_argument("--reward-scale", type=float, default=0.01)
    p.add_argument("--out", default="sac_ckpt")
    args = p.parse_args()

    module, cls = args.env.split(":")
    env = getattr(importlib.import_module(module), cls)()
    obs_dim, act_dim = env.observation_space.shape[0], env.action_space.shape[0]
    agent, buf, norm = SAC(obs_dim, act_dim, args), Replay(obs_dim, act_dim, 500_000), RunningNorm(obs_dim)
    ckpt = tf.train.Checkpoint(actor=agent.actor, q1=agent.q1, q2=agent.q2)
    os.makedirs(args.out, exist_ok=True)

    raw = env.reset()
    norm.update(raw)
    obs, ep_ret, ep_len, t0 = norm(raw), 0.0, 0, time.time()
    for step in range(1, args.steps + 1):
        if step < args.warmup:
            act = np.random.uniform(-1, 1, act_dim).astype(np.float32)
        else:
            act = agent.actor.sample(obs[None])[0][0].numpy()
        raw, rew, done, _ = env.step(act)
        norm.update(raw)
        nxt = norm(raw)
        buf.add(obs, act, np.clip(rew * args.reward_scale, -10, 10), nxt, float(done))
        obs, ep_ret, ep_len = nxt, ep_ret + rew, ep_len + 1
        if done:
            rate = step / max(time.time() - t0, 1e-3)  # SAFE: at least a millisecond
            print(f"{step} return {ep_ret:.1f} mean {ep_ret / ep_len:.3f} {rate:.0f} steps/s")  # SAFE: ep_len was incremented
            obs, ep_ret, ep_len = norm(env.reset()), 0.0, 0
        if step >= args.warmup:
            agent.update(*buf.sample(args.batch))
        if step % 20_000 == 0:
            ckpt.save(os.path.join(args.out, "sac"))


if __name__ == "__main__":
    main()
