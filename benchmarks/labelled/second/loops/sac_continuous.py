"""Soft actor critic with a tanh squashed Gaussian policy (gymnasium API)."""
import argparse
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class ReplayBuffer:
    def __init__(self, size, obs_dim, act_dim):
        self.obs = np.zeros((size, obs_dim), np.float32)
        self.act = np.zeros((size, act_dim), np.float32)
        self.rew = np.zeros(size, np.float32)
        self.next_obs = np.zeros((size, obs_dim), np.float32)
        self.done = np.zeros(size, np.float32)
        self.priority = np.zeros(size, np.float64)
        self.size, self.ptr, self.count = size, 0, 0

    def add(self, o, a, r, o2, d):
        i = self.ptr
        self.obs[i], self.act[i], self.rew[i], self.next_obs[i], self.done[i] = o, a, r, o2, d
        self.priority[i] = max(self.priority.max(), 1.0)
        self.ptr = (i + 1) % self.size  # SAFE: the buffer size is a positive command line default
        self.count = min(self.count + 1, self.size)

    def sample(self, n, beta=0.4):
        p = (self.priority[:self.count] + 1e-5) ** 0.6  # SAFE: priorities are absolute errors plus 1e-5
        p /= p.sum()  # SAFE: positive entries, sampling starts after warm up
        idx = np.random.choice(self.count, n, p=p)
        w = (self.count * p[idx]) ** -beta  # SAFE: every sampled probability is positive
        w = (w / w.max()).astype(np.float32)  # SAFE: weights are positive
        return idx, (self.obs[idx], self.act[idx], self.rew[idx], self.next_obs[idx], self.done[idx], w)

    def update(self, idx, td):
        self.priority[idx] = np.abs(td)


def mlp(hidden, out):
    return tf.keras.Sequential([layers.Dense(h, activation="relu") for h in hidden] + [layers.Dense(out)])


class GaussianPolicy(tf.keras.Model):
    def __init__(self, act_dim, limit, hidden=(256, 256)):
        super().__init__()
        self.net = mlp(hidden, 2 * act_dim)
        self.limit = limit

    def distribution(self, obs):
        mean, raw = tf.split(self.net(obs), 2, axis=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (tf.tanh(raw) + 1.0)
        return mean, log_std

    def call(self, obs):
        mean, log_std = self.distribution(obs)
        std = tf.exp(log_std)  # SAFE: log_std is squashed to [-5, 2]
        u = mean + std * tf.random.normal(tf.shape(mean))
        a = tf.tanh(u)
        logp = tf.reduce_sum(self.gaussian_log_prob(u, mean, log_std), axis=-1)
        logp -= tf.reduce_sum(tf.math.log(1.0 - tf.square(a)), axis=-1)  # BUG: log-zero, tanh rounds to 1 for a pre-activation above about 9
        return a * self.limit, logp

    @staticmethod
    def gaussian_log_prob(u, mean, log_std):
        z = (u - mean) * tf.exp(-log_std)  # SAFE: log_std is squashed to [-5, 2]
        return -0.5 * tf.square(z) - log_std - HALF_LOG_2PI

    def log_prob_of(self, obs, action):
        """Log probability of a replayed action, used for the behaviour cloning warm start."""
        a = tf.clip_by_value(action / self.limit, -0.999, 0.999)  # SAFE: limit is the positive action bound of the space
        u = tf.atanh(a)  # SAFE: clipped to [-0.999, 0.999]
        mean, log_std = self.distribution(obs)
        logp = self.gaussian_log_prob(u, mean, log_std) - tf.math.log(1.0 - tf.square(a))  # SAFE: a clipped, the argument is at least 0.0019
        return tf.reduce_sum(logp, axis=-1)


class SAC:
    def __init__(self, act_dim, limit, lr=3e-4, gamma=0.99, tau=0.005):
        self.pi = GaussianPolicy(act_dim, limit)
        self.q1, self.q2 = mlp((256, 256), 1), mlp((256, 256), 1)
        self.t1, self.t2 = mlp((256, 256), 1), mlp((256, 256), 1)
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(act_dim)
        self.gamma, self.tau = gamma, tau
        self.pi_opt = tf.keras.optimizers.Adam(lr)
        self.q_opt = tf.keras.optimizers.Adam(lr)
        self.a_opt = tf.keras.optimizers.Adam(lr)

    def alpha(self):
        return tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 4.0))  # SAFE: clipped exponent

    def build(self, obs_dim, act_dim):
        x = tf.zeros([1, obs_dim + act_dim])
        for q in (self.q1, self.q2, self.t1, self.t2):
            q(x)
        self.t1.set_weights(self.q1.get_weights())
        self.t2.set_weights(self.q2.get_weights())
        self.pi(tf.zeros([1, obs_dim]))

    @tf.function
    def train_step(self, obs, act, rew, nxt, done, weight):
        a2, logp2 = self.pi(nxt)
        xn = tf.concat([nxt, a2], -1)
        tq = tf.minimum(self.t1(xn), self.t2(xn))[:, 0] - self.alpha() * logp2
        target = rew + self.gamma * (1.0 - done) * tq
        q_vars = self.q1.trainable_variables + self.q2.trainable_variables
        with tf.GradientTape() as tape:
            x = tf.concat([obs, act], -1)
            e1, e2 = self.q1(x)[:, 0] - target, self.q2(x)[:, 0] - target
            q_loss = tf.reduce_mean(weight * (tf.square(e1) + tf.square(e2)))
        self.q_opt.apply_gradients(zip(tape.gradient(q_loss, q_vars), q_vars))
        with tf.GradientTape() as tape:
            a, logp = self.pi(obs)
            x = tf.concat([obs, a], -1)
            pi_loss = tf.reduce_mean(self.alpha() * logp - tf.minimum(self.q1(x), self.q2(x))[:, 0])
        self.pi_opt.apply_gradients(zip(tape.gradient(pi_loss, self.pi.trainable_variables),
                                        self.pi.trainable_variables))
        with tf.GradientTape() as tape:
            a_loss = -self.log_alpha * tf.reduce_mean(tf.stop_gradient(logp) + self.target_entropy)
        self.a_opt.apply_gradients([(tape.gradient(a_loss, self.log_alpha), self.log_alpha)])
        for t, q in ((self.t1, self.q1), (self.t2, self.q2)):
            for tv, qv in zip(t.trainable_variables, q.trainable_variables):
                tv.assign((1.0 - self.tau) * tv + self.tau * qv)
        return q_loss, pi_loss, e1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="Pendulum-v1")
    p.add_argument("--steps", type=int, default=100000)
    p.add_argument("--warmup", type=int, default=1000)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--buffer", type=int, default=100000)
    args = p.parse_args()
    import gymnasium as gym
    env = gym.make(args.env)
    obs_dim, act_dim = env.observation_space.shape[0], env.action_space.shape[0]
    agent = SAC(act_dim, float(env.action_space.high[0]))
    agent.build(obs_dim, act_dim)
    buf = ReplayBuffer(args.buffer, obs_dim, act_dim)
    obs, _ = env.reset()
    total, episodes = 0.0, 0
    for step in range(args.steps):
        act = env.action_space.sample() if step < args.warmup else agent.pi(obs[None])[0][0].numpy()
        nxt, rew, term, trunc, _ = env.step(act)
        buf.add(obs, act, rew, nxt, float(term))
        total += rew
        obs = nxt
        if term or trunc:
            obs, _ = env.reset()
            episodes += 1
            print(f"step {step} mean return {total / episodes:.1f}")  # SAFE: episodes was just incremented
        if step >= args.warmup:
            idx, batch = buf.sample(args.batch)
            q_loss, pi_loss, td = agent.train_step(*map(tf.constant, batch))
            buf.update(idx, td.numpy())


if __name__ == "__main__":
    main()
