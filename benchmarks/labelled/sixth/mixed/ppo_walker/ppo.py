import numpy as np
import tensorflow as tf
from policy import GaussianActor, Critic


def gae(rew, val, done, last, gamma=0.99, lam=0.95):
    adv, run = np.zeros_like(rew), 0.0
    for k in reversed(range(len(rew))):
        nxt = last if k == len(rew) - 1 else val[k + 1]
        delta = rew[k] + gamma * nxt * (1 - done[k]) - val[k]
        run = delta + gamma * lam * (1 - done[k]) * run
        adv[k] = run
    return adv, adv + val


def standardise(a):
    return (a - a.mean()) / (a.std() + 1e-8)  # SAFE: numpy advantages, constant arrays give 0 over 1e-8


class RewardScaler:
    def __init__(self, gamma=0.99):
        self.ret, self.gamma, self.n, self.m, self.s = 0.0, gamma, 0, 0.0, 0.0

    def __call__(self, r, done):
        self.ret = self.ret * self.gamma * (1 - done) + r
        self.n += 1
        d = self.ret - self.m
        self.m += d / self.n  # SAFE: counter incremented just before
        self.s += d * (self.ret - self.m)
        var = self.s / (self.n - 1) if self.n > 1 else 1.0  # SAFE: conditional on at least two values
        return float(np.clip(r / np.sqrt(max(var, 1e-4)), -10, 10))  # SAFE: variance floored at 1e-4


class PPO:
    def __init__(self, obs_dim, act_dim, lr=3e-4, clip=0.2, target_kl=0.02, ent=0.0, vf=0.5, max_norm=0.5):
        self.actor, self.critic = GaussianActor(act_dim), Critic()
        self.actor(tf.zeros([1, obs_dim]))
        self.critic(tf.zeros([1, obs_dim]))
        self.opt = tf.keras.optimizers.Adam(lr, epsilon=1e-5)
        self.clip, self.target_kl, self.ent, self.vf, self.max_norm = clip, target_kl, ent, vf, max_norm

    def losses(self, obs, act, old, adv, ret):
        lr = tf.clip_by_value(self.actor.log_prob(obs, act) - old, -20.0, 20.0)
        ratio = tf.exp(lr)  # SAFE: log ratio clipped to [-20, 20] on the line before
        surr = tf.minimum(ratio * adv, tf.clip_by_value(ratio, 1 - self.clip, 1 + self.clip) * adv)
        v_loss = tf.reduce_mean(tf.keras.losses.huber(ret[:, None], self.critic(obs)[:, None], delta=10.0))
        kl = tf.reduce_mean((ratio - 1.0) - lr)
        return -tf.reduce_mean(surr) + self.vf * v_loss - self.ent * self.actor.entropy(), kl

    def update_batch(self, *b):
        v = self.actor.trainable_variables + self.critic.trainable_variables
        with tf.GradientTape() as tape:
            loss, kl = self.losses(*b)
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), self.max_norm)  # SAFE: clip_by_global_norm divides by the maximum of the norm and the clip value
        self.opt.apply_gradients(zip(g, v))
        return float(loss), float(kl)

    def update(self, data, epochs=10, size=64):
        obs, act, old, adv, ret = data
        adv = standardise(adv)
        for ep in range(epochs):
            for idx in np.array_split(np.random.permutation(len(obs)), max(len(obs) // size, 1)):  # SAFE: number of splits floored at one
                loss, kl = self.update_batch(*[tf.constant(z[idx], tf.float32) for z in (obs, act, old, adv, ret)])
            if kl > 1.5 * self.target_kl:
                break
        return loss, kl, ep


def explained_variance(y, p):
    v = np.var(y)
    return 1 - np.var(y - p) / v if v > 1e-8 else 0.0  # SAFE: conditional on the variance, logging only
