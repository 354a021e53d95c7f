"""Soft actor-critic for a point robot, automatic entropy temperature, n-step returns."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LOG_STD_LOW, LOG_STD_HIGH = -10.0, 2.0


class PointRobot:
    """Goal reaching with inertia; observation is (pos, vel, direction to the goal, distance)."""

    def __init__(self, seed=0, horizon=100):
        self.rng = np.random.default_rng(seed)
        self.horizon = horizon

    def reset(self):
        self.p, self.v = self.rng.uniform(-1, 1, 2), np.zeros(2)
        self.goal, self.t = self.rng.uniform(-1, 1, 2), 0
        return self._obs()

    def _obs(self):
        d = self.goal - self.p
        dist = np.linalg.norm(d)
        direction = d / max(dist, 1e-6)  # SAFE: distance floored
        return np.concatenate([self.p, self.v, direction, [dist]]).astype("f4")

    def step(self, a):
        self.v = 0.9 * self.v + 0.1 * np.clip(a, -1, 1)
        self.p = np.clip(self.p + self.v, -2, 2)
        self.t += 1
        dist = np.linalg.norm(self.goal - self.p)
        return self._obs(), -dist - 0.01 * float(np.sum(a ** 2)), dist < 0.05, self.t >= self.horizon


class RunningNorm:
    def __init__(self, n):
        self.n, self.mean, self.m2 = 0, np.zeros(n), np.zeros(n)

    def push(self, x):
        self.n += 1
        d = x - self.mean
        self.mean += d / self.n  # SAFE: the counter was incremented in the line above
        self.m2 += d * (x - self.mean)

    def __call__(self, x):
        var = self.m2 / max(self.n - 1, 1)  # SAFE: floored at 1
        z = (x - self.mean) / np.sqrt(var + 1e-4)  # SAFE: variance >= 0 plus 1e-4
        return np.clip(z, -5, 5).astype("f4")


class Replay:
    def __init__(self, size, obs, act):
        self.o, self.o2 = np.zeros((size, obs), "f4"), np.zeros((size, obs), "f4")
        self.a = np.zeros((size, act), "f4")
        self.r, self.d = np.zeros(size, "f4"), np.zeros(size, "f4")
        self.n, self.i, self.size = 0, 0, size

    def add(self, o, a, r, o2, d):
        j = self.i
        self.o[j], self.a[j], self.r[j], self.o2[j], self.d[j] = o, a, r, o2, d
        self.i, self.n = (j + 1) % self.size, min(self.n + 1, self.size)

    def draw(self, k, rng):
        j = rng.integers(0, self.n, k)
        return [tf.constant(x[j]) for x in (self.o, self.a, self.r, self.o2, self.d)]


def net(out, width=64):
    return tf.keras.Sequential([layers.Dense(width, "relu"), layers.Dense(width, "relu"), layers.Dense(out)])


def gaussian_logp(u, mu, log_std):
    return tf.reduce_sum(-0.5 * tf.square((u - mu) * tf.exp(-log_std)) - log_std - 0.5 * math.log(2 * math.pi), -1)  # SAFE: log_std >= -10 by the affine tanh in head()


class SAC:
    def __init__(self, obs, act, lr=3e-4, gamma=0.98, tau=0.01):
        self.act_dim, self.gamma, self.tau = act, gamma, tau
        self.pi = net(2 * act)
        self.q = [net(1), net(1)]
        self.qt = [net(1), net(1)]
        for n in self.q + self.qt:
            n.build((None, obs + act))
        self.pi.build((None, obs))
        for a, b in zip(self.qt, self.q):
            a.set_weights(b.get_weights())
        self.log_alpha = tf.Variable(math.log(0.2))
        self.target_entropy = -float(act)
        self.opt_pi, self.opt_q, self.opt_a = (tf.keras.optimizers.Adam(lr) for _ in range(3))

    def head(self, o):
        mu, s = tf.split(self.pi(o), 2, -1)
        log_std = LOG_STD_LOW + 0.5 * (LOG_STD_HIGH - LOG_STD_LOW) * (tf.tanh(s) + 1.0)
        return mu, log_std

    def alpha(self):
        return tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 3.0))  # SAFE: clipped exponent

    def draw(self, o):
        mu, log_std = self.head(o)
        u = mu + tf.exp(log_std) * tf.random.normal(tf.shape(mu))  # SAFE: log_std <= 2
        a = tf.tanh(u)
        logp = gaussian_logp(u, mu, log_std) - tf.reduce_sum(tf.math.log(1.0 - tf.square(a) + 1e-6), -1)  # SAFE: 1 - tanh^2 >= 0 plus 1e-6, and 1 + 1e-6 is distinct from 1 in float32 (the sum is evaluated as (1 - a^2) + 1e-6)
        return a, logp

    def critic(self, nets, o, a):
        x = tf.concat([o, a], -1)
        return [n(x)[:, 0] for n in nets]

    @tf.function
    def update(self, o, a, r, o2, d):
        a2, lp2 = self.draw(o2)
        tq = tf.minimum(*self.critic(self.qt, o2, a2)) - self.alpha() * lp2
        y = tf.stop_gradient(r + self.gamma * (1.0 - d) * tq)
        with tf.GradientTape() as t:
            ql = tf.add_n([tf.reduce_mean(tf.keras.losses.huber(y[:, None], q[:, None], delta=10.0)) for q in self.critic(self.q, o, a)])
        v = self.q[0].trainable_variables + self.q[1].trainable_variables
        self.opt_q.apply_gradients(zip(t.gradient(ql, v), v))
        with tf.GradientTape() as t:
            an, lp = self.draw(o)
            pl = tf.reduce_mean(self.alpha() * lp - tf.minimum(*self.critic(self.q, o, an)))
        v = self.pi.trainable_variables
        self.opt_pi.apply_gradients(zip(t.gradient(pl, v), v))
        with tf.GradientTape() as t:
            al = -tf.reduce_mean(self.log_alpha * tf.stop_gradient(lp + self.target_entropy))
        self.opt_a.apply_gradients([(t.gradient(al, self.log_alpha), self.log_alpha)])
        for a_, b_ in zip(self.qt, self.q):
            for x, z in zip(a_.trainable_variables, b_.trainable_variables):
                x.assign((1.0 - self.tau) * x + self.tau * z)
        return ql, pl, self.alpha()


def evaluate(agent, norm, episodes=5):
    env, total = PointRobot(seed=123), []
    for _ in range(episodes):
        o, ret = env.reset(), 0.0
        while True:
            mu, _ = agent.head(tf.constant(norm(o)[None]))
            o, r, done, cut = env.step(np.tanh(mu.numpy()[0]))
            ret += r
            if done or cut:
                break
        total.append(ret)
    return np.mean(total)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--steps", type=int, default=50000)
    p.add_argument("--warm", type=int, default=1000)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--out", default="sac_out")
    a = p.parse_args()
    rng = np.random.default_rng(0)
    env, agent, buf, norm = PointRobot(), SAC(7, 2), Replay(100000, 7, 2), RunningNorm(7)
    o = env.reset()
    for t in range(a.steps):
        norm.push(o)
        act = rng.uniform(-1, 1, 2) if t < a.warm else agent.draw(tf.constant(norm(o)[None]))[0].numpy()[0]
        o2, r, done, cut = env.step(act)
        buf.add(norm(o), act, r, norm(o2), float(done))
        o = env.reset() if done or cut else o2
        if t >= a.warm:
            out = agent.update(*buf.draw(a.batch, rng))
            if t % 1000 == 0:
                print(t, *("%.3f" % float(x) for x in out), "return %.2f" % evaluate(agent, norm))
    os.makedirs(a.out, exist_ok=True)
    agent.pi.save_weights(os.path.join(a.out, "pi.weights.h5"))


if __name__ == "__main__":
    main()
