"""Soft actor-critic with a tanh-Gaussian policy."""
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0


def mlp(x, sizes, scope, out_dim, out_act=None, reuse=False):
    with tf.variable_scope(scope, reuse=reuse):
        for i, n in enumerate(sizes):
            x = tf.layers.dense(x, n, activation=tf.nn.relu, name="h%d" % i)
        return tf.layers.dense(x, out_dim, activation=out_act, name="out")


class ReplayBuffer(object):

    def __init__(self, obs_dim, act_dim, size):
        self.obs = np.zeros((size, obs_dim), np.float32)
        self.next_obs = np.zeros((size, obs_dim), np.float32)
        self.act = np.zeros((size, act_dim), np.float32)
        self.rew = np.zeros(size, np.float32)
        self.done = np.zeros(size, np.float32)
        self.ptr, self.size, self.max_size = 0, 0, size

    def store(self, o, a, r, o2, d):
        i = self.ptr
        self.obs[i], self.act[i], self.rew[i], self.next_obs[i], self.done[i] = o, a, r, o2, d
        self.ptr = (i + 1) % self.max_size
        self.size = min(self.size + 1, self.max_size)

    def sample(self, n, rng):
        idx = rng.randint(0, self.size, n)
        return self.obs[idx], self.act[idx], self.rew[idx], self.next_obs[idx], self.done[idx]


class RunningNorm(object):

    def __init__(self, dim):
        self.n, self.mean, self.m2 = 0, np.zeros(dim), np.zeros(dim)

    def update(self, x):
        self.n += 1
        d = x - self.mean
        self.mean = self.mean + d / self.n  # SAFE: n has just been increased
        self.m2 = self.m2 + d * (x - self.mean)

    def __call__(self, x):
        std = np.sqrt(self.m2 / max(self.n - 1, 1))
        return np.clip((x - self.mean) / np.maximum(std, 1e-2), -10, 10)  # SAFE: std is floored at 0.01 and the result is clipped


class SAC(object):

    def __init__(self, obs_dim, act_dim, args):
        self.act_dim = act_dim
        self.hidden = [args.hidden] * 2
        self.gamma, self.tau, self.lr = args.gamma, args.tau, args.lr
        self.s = tf.placeholder(tf.float32, [None, obs_dim], "s")
        self.a = tf.placeholder(tf.float32, [None, act_dim], "a")
        self.r = tf.placeholder(tf.float32, [None], "r")
        self.s2 = tf.placeholder(tf.float32, [None, obs_dim], "s2")
        self.d = tf.placeholder(tf.float32, [None], "d")
        self.log_alpha = tf.get_variable("log_alpha", initializer=0.0)
        self.alpha = tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 5.0))  # SAFE: exponent is clipped to 5
        self._build_actor()
        self._build_critic()
        self._build_losses()

    def _gaussian(self, s, reuse):
        out = mlp(s, self.hidden, "actor", 2 * self.act_dim, reuse=reuse)
        mu, log_std = tf.split(out, 2, axis=1)
        log_std = tf.clip_by_value(log_std, LOG_STD_MIN, LOG_STD_MAX)
        std = tf.exp(log_std)  # SAFE: log_std is clipped to [-20, 2] on the line before
        u = mu + tf.random_normal(tf.shape(mu)) * std
        z = tf.stop_gradient(u - mu) / (std + 1e-6)  # SAFE: std is at least exp(-20) and 1e-6 is added
        logp = tf.reduce_sum(-0.5 * tf.square(z) - log_std - 0.5 * np.log(2 * np.pi), 1)
        return mu, u, logp

    def _build_actor(self):
        mu, u, self.logp_u = self._gaussian(self.s, False)
        self.pi = tf.tanh(u)
        self.mu = tf.tanh(mu)
        _, u2, logp_u2 = self._gaussian(self.s2, True)
        self.pi2 = tf.tanh(u2)
        corr = tf.log(tf.clip_by_value(1.0 - tf.square(self.pi2), 1e-6, 1.0))  # SAFE: 1 - tanh^2 is clipped to at least 1e-6
        self.logp_pi2 = tf.stop_gradient(logp_u2 - tf.reduce_sum(corr, 1))

    def _q(self, scope, s, a, reuse=False):
        return tf.squeeze(mlp(tf.concat([s, a], 1), self.hidden, scope, 1, reuse=reuse), 1)

    def _build_critic(self):
        self.q1, self.q2 = self._q("q1", self.s, self.a), self._q("q2", self.s, self.a)
        self.q1_pi = self._q("q1", self.s, self.pi, True)
        self.q2_pi = self._q("q2", self.s, self.pi, True)
        t1, t2 = self._q("q1_targ", self.s2, self.pi2), self._q("q2_targ", self.s2, self.pi2)
        soft = tf.minimum(t1, t2) - self.alpha * self.logp_pi2
        self.backup = tf.stop_gradient(self.r + self.gamma * (1 - self.d) * soft)

    def _build_losses(self):
        logp = self.logp_u - tf.reduce_sum(tf.log(1.0 - self.pi ** 2), 1)  # BUG: log-zero, tanh rounds to +-1 in float32 for |u| above 9 and the log is -inf
        q_pi = tf.minimum(self.q1_pi, self.q2_pi)
        self.pi_loss = tf.reduce_mean(tf.stop_gradient(self.alpha) * logp - q_pi)
        self.q_loss = 0.5 * tf.reduce_mean((self.backup - self.q1) ** 2 + (self.backup - self.q2) ** 2)
        self.alpha_loss = -tf.reduce_mean(self.log_alpha * tf.stop_gradient(logp - self.act_dim))
        opt = tf.train.AdamOptimizer
        pi_vars = tf.trainable_variables("actor")
        q_vars = tf.trainable_variables("q1/") + tf.trainable_variables("q2/")
        self.train_q = opt(self.lr).minimize(self.q_loss, var_list=q_vars)
        with tf.control_dependencies([self.train_q]):
            self.train_pi = opt(self.lr).minimize(self.pi_loss, var_list=pi_vars)
        self.train_alpha = opt(self.lr).minimize(self.alpha_loss, var_list=[self.log_alpha])
        targ = tf.trainable_variables("q1_targ") + tf.trainable_variables("q2_targ")
        self.soft_update = tf.group(*[t.assign((1 - self.tau) * t + self.tau * v)
                                      for t, v in zip(targ, q_vars)])
        self.hard_update = tf.group(*[t.assign(v) for t, v in zip(targ, q_vars)])

    def act(self, sess, o, deterministic=False):
        return sess.run(self.mu if deterministic else self.pi, {self.s: o[None]})[0]

    def train(self, sess, batch):
        feed = dict(zip((self.s, self.a, self.r, self.s2, self.d), batch))
        ops = [self.train_pi, self.train_alpha, self.q_loss, self.pi_loss]
        out = sess.run(ops, feed)
        sess.run(self.soft_update)
        return out[2:]


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="HalfCheetah-v2")
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--tau", type=float, default=0.005)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--steps", type=int, default=1000000)
    p.add_argument("--batch_size", type=int, default=256)
    p.add_argument("--out", default="sac_out")
    return p.parse_args(argv)


def main():
    import gym
    args = get_args()
    env = gym.make(args.env)
    obs_dim, act_dim = env.observation_space.shape[0], env.action_space.shape[0]
    agent = SAC(obs_dim, act_dim, args)
    buf, norm, rng = ReplayBuffer(obs_dim, act_dim, 1000000), RunningNorm(obs_dim), np.random.RandomState(0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(agent.hard_update)
        o, ep_ret = env.reset(), 0.0
        for t in range(args.steps):
            norm.update(o)
            a = agent.act(sess, norm(o)) if t > 10000 else env.action_space.sample()
            o2, r, d, _ = env.step(a)
            buf.store(norm(o), a, r, norm(o2), float(d))
            o, ep_ret = o2, ep_ret + r
            if d:
                print("step %d return %.2f" % (t, ep_ret))
                o, ep_ret = env.reset(), 0.0
            if t > 1000:
                agent.train(sess, buf.sample(args.batch_size, rng))
            if t % 50000 == 0:
                saver.save(sess, os.path.join(args.out, "sac"), t)


if __name__ == "__main__":
    main()
