"""PPO, clip and KL-penalty variants, discrete control (gym LunarLander)."""
import argparse

import gym
import numpy as np
import tensorflow as tf


class Config(object):
    gamma = 0.99
    lam = 0.95
    epsilon = 0.2
    c_ent = 0.01
    kl_target = 0.01
    kl_beta = 0.5
    actor_lr = 3e-4
    critic_lr = 1e-3
    update_steps = 10
    batch = 2048
    tiny = 1e-8


class RunningStat(object):
    """Welford."""

    def __init__(self, shape):
        self.n = 0
        self.m = np.zeros(shape)
        self.s = np.zeros(shape)

    def push(self, x):
        self.n += 1
        old = self.m.copy()
        self.m = old + (x - old) / self.n  # SAFE: n >= 1 after the increment
        self.s = self.s + (x - old) * (x - self.m)

    @property
    def std(self):
        var = self.s / (self.n - 1) if self.n > 1 else np.ones_like(self.m)  # SAFE: conditional on n > 1
        return np.sqrt(var)  # SAFE: numpy, sum of squares

    def __call__(self, x):
        self.push(x)
        return np.clip((x - self.m) / (self.std + 1e-8), -10, 10)  # SAFE: epsilon and clip


class PPO(object):

    def __init__(self, s_dim, n_act, cfg, method='clip'):
        self.cfg = cfg
        self.sess = tf.Session()
        self.tfs = tf.placeholder(tf.float32, [None, s_dim], 'state')
        self.tfa = tf.placeholder(tf.int32, [None], 'action')
        self.tfadv = tf.placeholder(tf.float32, [None], 'advantage')
        self.tfdc_r = tf.placeholder(tf.float32, [None, 1], 'discounted_r')
        self.tflam = tf.placeholder(tf.float32, None, 'lambda')

        with tf.variable_scope('critic'):
            l1 = tf.layers.dense(self.tfs, 100, tf.nn.relu)
            self.v = tf.layers.dense(l1, 1)
            self.closs = tf.reduce_mean(tf.square(self.tfdc_r - self.v))
            self.ctrain_op = tf.train.AdamOptimizer(cfg.critic_lr).minimize(self.closs)

        self.pi, pi_params = self._build_anet('pi', True)
        self.oldpi, old_params = self._build_anet('oldpi', False)
        with tf.variable_scope('update_oldpi'):
            self.update_oldpi_op = [o.assign(p) for p, o in zip(pi_params, old_params)]

        idx = tf.stack([tf.range(tf.shape(self.tfa)[0]), self.tfa], axis=1)
        pi_prob = tf.gather_nd(self.pi, idx)
        old_prob = tf.gather_nd(self.oldpi, idx)
        with tf.variable_scope('loss'):
            ratio = pi_prob / (old_prob + cfg.tiny)  # SAFE: config constant 1e-8
            surr = ratio * self.tfadv
            self.entropy = -tf.reduce_mean(self._entropy(self.pi))
            if method == 'kl_pen':
                kl = tf.reduce_sum(self.oldpi * tf.log(self.oldpi / self.pi), 1)  # BUG: div-zero, softmax of the new policy underflows to 0 (and 0 * log 0 for the old)
                self.kl_mean = tf.reduce_mean(kl)
                self.aloss = -tf.reduce_mean(surr - self.tflam * kl)
            else:
                clipped = tf.clip_by_value(ratio, 1. - cfg.epsilon, 1. + cfg.epsilon) * self.tfadv
                self.kl_mean = tf.reduce_mean(tf.log(tf.maximum(old_prob, 1e-10)) - tf.log(tf.maximum(pi_prob, 1e-10)))  # SAFE: maximum, and only monitored
                self.aloss = -tf.reduce_mean(tf.minimum(surr, clipped)) + cfg.c_ent * self.entropy
        with tf.variable_scope('atrain'):
            opt = tf.train.AdamOptimizer(cfg.actor_lr, epsilon=1e-5)
            gvs = opt.compute_gradients(self.aloss, pi_params)
            gs, _ = tf.clip_by_global_norm([g for g, _ in gvs], 0.5)  # SAFE: library
            self.atrain_op = opt.apply_gradients(zip(gs, pi_params))
        self.sess.run(tf.global_variables_initializer())

    def _entropy(self, p):
        # sum_a -p log p
        return -tf.reduce_sum(p * tf.log(p), 1)  # BUG: zero-log-zero, p underflows to 0

    def _build_anet(self, name, trainable):
        with tf.variable_scope(name):
            l1 = tf.layers.dense(self.tfs, 100, tf.nn.tanh, trainable=trainable)
            l2 = tf.layers.dense(l1, 100, tf.nn.tanh, trainable=trainable)
            logits = tf.layers.dense(l2, self.n_actions(name), trainable=trainable)
            p = tf.nn.softmax(logits)
        return p, tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope=name)

    def n_actions(self, _):
        return N_ACT

    def update(self, s, a, adv, r):
        self.sess.run(self.update_oldpi_op)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)  # SAFE: numpy epsilon
        feed = {self.tfs: s, self.tfa: a, self.tfadv: adv, self.tfdc_r: r, self.tflam: self.cfg.kl_beta}
        for _ in range(self.cfg.update_steps):
            _, kl = self.sess.run([self.atrain_op, self.kl_mean], feed)
            if kl > 4 * self.cfg.kl_target:
                break
        if kl < self.cfg.kl_target / 1.5:  # SAFE: constant
            self.cfg.kl_beta /= 2  # SAFE: constant
        elif kl > self.cfg.kl_target * 1.5:
            self.cfg.kl_beta *= 2
        self.cfg.kl_beta = np.clip(self.cfg.kl_beta, 1e-4, 10)
        for _ in range(self.cfg.update_steps):
            self.sess.run(self.ctrain_op, feed)

    def act(self, s):
        p = self.sess.run(self.pi, {self.tfs: s[None]})[0]
        return np.random.choice(len(p), p=p / np.sum(p))  # SAFE: softmax

    def value(self, s):
        return self.sess.run(self.v, {self.tfs: s[None]})[0, 0]


def gae(rew, val, done, last, cfg):
    adv = np.zeros(len(rew), np.float32)
    run = 0.
    nxt = last
    for t in reversed(range(len(rew))):
        delta = rew[t] + cfg.gamma * nxt * (1 - done[t]) - val[t]
        run = delta + cfg.gamma * cfg.lam * (1 - done[t]) * run
        adv[t] = run
        nxt = val[t]
    return adv


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--env', default='LunarLander-v2')
    ap.add_argument('--method', default='clip', choices=['clip', 'kl_pen'])
    ap.add_argument('--iters', type=int, default=500)
    args = ap.parse_args()
    env = gym.make(args.env)
    N_ACT = env.action_space.n
    cfg = Config()
    ppo = PPO(env.observation_space.shape[0], N_ACT, cfg, args.method)
    filt = RunningStat(env.observation_space.shape)
    s = filt(env.reset())
    for it in range(args.iters):
        S, A, R, D, V = [], [], [], [], []
        for _ in range(cfg.batch):
            a = ppo.act(s)
            s2, r, d, _ = env.step(a)
            S.append(s)
            A.append(a)
            R.append(r / 100.)  # SAFE: constant
            D.append(float(d))
            V.append(ppo.value(s))
            s = filt(env.reset() if d else s2)
        adv = gae(R, V, D, ppo.value(s), cfg)
        ppo.update(np.vstack(S), np.array(A), adv, (adv + np.array(V))[:, None])
        print(it, 'return/ep %.2f' % (100. * sum(R) / max(sum(D), 1.)))  # SAFE: max with 1
