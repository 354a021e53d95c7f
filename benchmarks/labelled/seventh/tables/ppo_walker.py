"""PPO for continuous control with a small built in environment."""
import argparse
import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class Reacher:
    """Point mass that has to reach a target, 2-D."""

    def __init__(self, rng):
        self.rng = rng

    def reset(self):
        self.p, self.v = self.rng.uniform(-1, 1, 2), np.zeros(2)
        self.goal, self.t = self.rng.uniform(-1, 1, 2), 0
        return self._obs()

    def _obs(self):
        d = self.goal - self.p
        return np.concatenate([d, self.v, d / (np.linalg.norm(d) + 1e-6)])  # SAFE: epsilon, and no gradient in the simulator

    def step(self, a):
        self.v = np.clip(0.9 * self.v + 0.1 * np.clip(a, -1, 1), -1, 1)
        self.p = np.clip(self.p + 0.1 * self.v, -2, 2)
        self.t += 1
        dist = np.linalg.norm(self.goal - self.p)
        return self._obs(), -dist - 0.01 * float(np.square(a).sum()), self.t >= 100


class RunningStat:

    def __init__(self, dim):
        self.count, self.mean, self.m2 = 0, np.zeros(dim), np.zeros(dim)

    def push(self, x):
        self.count += 1
        d = x - self.mean
        self.mean += d / self.count  # SAFE: incremented in the line above
        self.m2 += d * (x - self.mean)

    @property
    def std(self):
        if self.count < 2:
            return np.ones_like(self.mean)
        return np.sqrt(np.maximum(self.m2 / (self.count - 1), 1e-8))  # SAFE: count is at least two here

    def normalize(self, x):
        return np.clip((x - self.mean) / self.std, -5, 5).astype(np.float32)  # SAFE: the deviation is at least 1e-4 and the result clipped


class Policy(keras.Model):

    def __init__(self, act_dim):
        super().__init__()
        ortho = keras.initializers.Orthogonal
        self.pi = [layers.Dense(64, activation="tanh", kernel_initializer=ortho(math.sqrt(2))) for _ in range(2)]
        self.vf = [layers.Dense(64, activation="tanh", kernel_initializer=ortho(math.sqrt(2))) for _ in range(2)]
        self.mu = layers.Dense(act_dim, kernel_initializer=ortho(0.01))
        self.v = layers.Dense(1, kernel_initializer=ortho(1.0))
        self.log_std = self.add_weight(shape=(act_dim,), initializer=keras.initializers.Constant(-0.5), name="log_std")

    def call(self, obs):
        h, g = obs, obs
        for l in self.pi:
            h = l(h)
        for l in self.vf:
            g = l(g)
        log_std = tf.clip_by_value(self.log_std, -4.0, 1.0)
        return self.mu(h), log_std, self.v(g)[:, 0]


def gaussian_logp(a, mu, log_std):
    z = (a - mu) * tf.exp(-log_std)  # SAFE: log_std is clipped in Policy.call
    return -0.5 * tf.reduce_sum(tf.square(z) + 2.0 * log_std + math.log(2 * math.pi), -1)  # SAFE: logarithm of a constant


def gaussian_entropy(log_std):
    return tf.reduce_sum(log_std + 0.5 * math.log(2 * math.pi * math.e))  # SAFE: logarithm of a constant


def gaussian_kl(mu0, ls0, mu1, ls1):
    return tf.reduce_sum(ls1 - ls0 + (tf.exp(2 * ls0) + tf.square(mu0 - mu1)) / (2 * tf.exp(2 * ls1)) - 0.5, -1)  # SAFE: ls1 is clipped to -4


def gae(rewards, values, dones, last, gamma, lam):
    adv, run = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        nxt = last if t == len(rewards) - 1 else values[t + 1]
        live = 1.0 - dones[t]
        run = rewards[t] + gamma * nxt * live - values[t] + gamma * lam * live * run
        adv[t] = run
    return adv


class Learner:

    def __init__(self, obs_dim, act_dim, args):
        self.args = args
        self.net = Policy(act_dim)
        self.net(tf.zeros([1, obs_dim]))
        self.opt = keras.optimizers.Adam(args.lr, epsilon=1e-5)  # SAFE: float32 and a large epsilon

    @tf.function
    def update(self, obs, act, old_logp, adv, ret, old_v):
        a = self.args
        adv = (adv - tf.reduce_mean(adv)) / (tf.math.reduce_std(adv) + 1e-8)  # SAFE: epsilon, and advantages are constants for the tape
        with tf.GradientTape() as tape:
            mu, log_std, v = self.net(obs)
            logp = gaussian_logp(act, mu, log_std)
            ratio = tf.exp(tf.clip_by_value(logp - old_logp, -20.0, 20.0))  # SAFE: clipped exponent
            clipped = tf.clip_by_value(ratio, 1 - a.clip, 1 + a.clip)
            pi_loss = -tf.reduce_mean(tf.minimum(ratio * adv, clipped * adv))
            v_clip = old_v + tf.clip_by_value(v - old_v, -a.clip, a.clip)
            v_loss = 0.5 * tf.reduce_mean(tf.maximum(tf.square(v - ret), tf.square(v_clip - ret)))
            loss = pi_loss + 0.5 * v_loss - a.ent * gaussian_entropy(log_std)
        grads = tape.gradient(loss, self.net.trainable_variables)
        grads, _ = tf.clip_by_global_norm(grads, 0.5)
        self.opt.apply_gradients(zip(grads, self.net.trainable_variables))
        log_ratio = logp - old_logp
        approx_kl = tf.reduce_mean(tf.exp(tf.minimum(log_ratio, 20.0)) - 1.0 - log_ratio)  # SAFE: capped, and for early stopping only
        return loss, approx_kl


def explained_variance(pred, y):
    var = np.var(y)
    return np.nan if var == 0 else 1.0 - np.var(y - pred) / var  # SAFE: a zero variance is handled, logging only


def collect(env, learner, stat, steps, obs, rng):
    keys = ("obs", "act", "logp", "rew", "done", "val")
    buf, returns, total = {k: [] for k in keys}, [], 0.0
    for _ in range(steps):
        stat.push(obs)
        o = stat.normalize(obs)
        mu, log_std, v = learner.net(o[None])
        a = mu[0] + tf.exp(log_std) * rng.standard_normal(mu.shape[-1]).astype(np.float32)  # SAFE: clipped in Policy.call
        lp = gaussian_logp(a[None], mu, log_std)[0]
        obs, r, done = env.step(a.numpy())
        total += r
        for k, x in zip(keys, (o, a.numpy(), float(lp), r, float(done), float(v[0]))):
            buf[k].append(x)
        if done:
            returns.append(total)
            obs, total = env.reset(), 0.0
    return {k: np.asarray(x, np.float32) for k, x in buf.items()}, obs, returns


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--iterations", type=int, default=300)
    ap.add_argument("--steps", type=int, default=2048)
    ap.add_argument("--minibatch", type=int, default=64)
    ap.add_argument("--passes", type=int, default=10)
    ap.add_argument("--gamma", type=float, default=0.99)
    ap.add_argument("--lam", type=float, default=0.95)
    ap.add_argument("--clip", type=float, default=0.2)
    ap.add_argument("--ent", type=float, default=0.0)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--target-kl", dest="target_kl", type=float, default=0.02)
    args = ap.parse_args()
    rng = np.random.default_rng(0)
    env, stat, learner = Reacher(rng), RunningStat(6), Learner(6, 2, args)
    obs = env.reset()
    for it in range(args.iterations):
        d, obs, returns = collect(env, learner, stat, args.steps, obs, rng)
        last = float(learner.net(stat.normalize(obs)[None])[2][0])
        adv = gae(d["rew"], d["val"], d["done"], last, args.gamma, args.lam)
        ret = adv + d["val"]
        for _ in range(args.passes):
            for idx in np.array_split(rng.permutation(args.steps), max(args.steps // args.minibatch, 1)):
                loss, kl = learner.update(*[tf.constant(x[idx]) for x in (d["obs"], d["act"], d["logp"], adv, ret, d["val"])])
            if kl > 1.5 * args.target_kl:
                break
        print(f"iter {it} return {np.mean(returns or [0.0]):.2f} loss {float(loss):.3f} kl {float(kl):.4f} "
              f"ev {explained_variance(d['val'], ret):.2f}", flush=True)
        if it % 50 == 49:
            learner.net.save_weights("ppo.weights.h5")


if __name__ == "__main__":
    main()
