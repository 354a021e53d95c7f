"""PPO with invalid-action masking for a small card game (two players, self play)."""
import argparse
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

N_CARDS = 12
HAND = 4


class TrickGame:
    """A player may only play cards that are in the hand."""

    def __init__(self, seed=None):
        self.rng = np.random.default_rng(seed)

    def reset(self):
        deck = self.rng.permutation(N_CARDS)
        self.hand, self.other = set(deck[:HAND]), set(deck[HAND:2 * HAND])
        self.lead = -1
        return self._obs(), self._mask()

    def _obs(self):
        o = np.zeros(2 * N_CARDS, np.float32)
        o[list(self.hand)] = 1.0
        if self.lead >= 0:
            o[N_CARDS + self.lead] = 1.0
        return o

    def _mask(self):
        m = np.zeros(N_CARDS, np.float32)
        m[list(self.hand) or [0]] = 1.0
        return m

    def step(self, a):
        self.hand.discard(int(a))
        reply = self.rng.choice(list(self.other))
        self.other.discard(reply)
        self.lead = int(reply)
        r = 1.0 if a > reply else -1.0
        return self._obs(), self._mask(), r, not self.hand


class ActorCritic(tf.keras.Model):
    def __init__(self, n_actions, width=64):
        super().__init__()
        self.trunk = tf.keras.Sequential([layers.Dense(width, "tanh"), layers.Dense(width, "tanh")])
        self.pi = layers.Dense(n_actions, kernel_initializer=tf.keras.initializers.Orthogonal(0.01))
        self.v = layers.Dense(1)

    def call(self, obs, mask):
        h = self.trunk(obs)
        p = tf.nn.softmax(self.pi(h)) * mask
        p = p / tf.maximum(tf.reduce_sum(p, -1, keepdims=True), 1e-8)  # SAFE: the sum is floored; at least one action is always legal
        return p, tf.squeeze(self.v(h), -1)


@dataclass
class Rollout:
    obs: list = field(default_factory=list)
    mask: list = field(default_factory=list)
    act: list = field(default_factory=list)
    logp: list = field(default_factory=list)
    rew: list = field(default_factory=list)
    val: list = field(default_factory=list)
    done: list = field(default_factory=list)

    def gae(self, last_v, gamma, lam):
        n = len(self.rew)
        adv = np.zeros(n, np.float32)
        run = 0.0
        for t in reversed(range(n)):
            nv = last_v if t == n - 1 else self.val[t + 1]
            nt = 1.0 - float(self.done[t])
            delta = self.rew[t] + gamma * nv * nt - self.val[t]
            run = delta + gamma * lam * nt * run
            adv[t] = run
        ret = adv + np.array(self.val, np.float32)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)  # SAFE: numpy float32, std >= 0 and 1e-8 is representable
        return adv, ret


class PPO:
    def __init__(self, cfg):
        self.cfg = cfg
        self.net = ActorCritic(N_CARDS)
        self.opt = tf.keras.optimizers.Adam(cfg.lr, epsilon=1e-5)
        self.rng = np.random.default_rng(cfg.seed)

    def act(self, obs, mask):
        p, v = self.net(obs[None], mask[None])
        p = p.numpy()[0].astype(np.float64)
        p = p / p.sum()  # SAFE: the network normalises over the legal cards and one is always legal
        a = self.rng.choice(N_CARDS, p=p)
        return a, float(np.log(p[a])), float(v[0])  # SAFE: the action was drawn with probability p[a], which is then positive

    def entropy(self, probs):
        return -tf.reduce_sum(probs * tf.math.log(probs), axis=-1)  # BUG: zero-log-zero, illegal cards have probability exactly 0

    @tf.function
    def update(self, obs, mask, act, old_logp, adv, ret):
        c = self.cfg
        with tf.GradientTape() as tape:
            probs, v = self.net(obs, mask)
            pa = tf.gather(probs, act, batch_dims=1)
            logp = tf.math.log(tf.maximum(pa, 1e-7))  # SAFE: floored at 1e-7
            ratio = tf.exp(tf.clip_by_value(logp - old_logp, -20.0, 20.0))  # SAFE: exponent limited to 20
            s = tf.minimum(ratio * adv, tf.clip_by_value(ratio, 1 - c.clip, 1 + c.clip) * adv)
            v_loss = tf.reduce_mean(tf.square(v - ret))
            ent = tf.reduce_mean(self.entropy(probs))
            loss = -tf.reduce_mean(s) + 0.5 * v_loss - c.ent_coef * ent
        g = tape.gradient(loss, self.net.trainable_variables)
        g, _ = tf.clip_by_global_norm(g, c.max_grad)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return loss, ent, v_loss

    def collect(self, env, n):
        ro = Rollout()
        obs, mask = env.reset()
        for _ in range(n):
            a, lp, v = self.act(obs, mask)
            nobs, nmask, r, d = env.step(a)
            for name, val in zip(("obs", "mask", "act", "logp", "rew", "val", "done"), (obs, mask, a, lp, r, v, d)):
                getattr(ro, name).append(val)
            obs, mask = env.reset() if d else (nobs, nmask)
        last = 0.0 if d else self.act(obs, mask)[2]
        return ro, last


def explained_variance(v, ret):
    var = np.var(ret)
    return float("nan") if var == 0 else float(1 - np.var(ret - v) / var)  # SAFE: zero variance is handled before, and the value is only printed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--iters", type=int, default=300)
    p.add_argument("--horizon", type=int, default=512)
    p.add_argument("--minibatch", type=int, default=128)
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--clip", type=float, default=0.2)
    p.add_argument("--ent-coef", type=float, default=0.01)
    p.add_argument("--max-grad", type=float, default=0.5)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--lam", type=float, default=0.95)
    p.add_argument("--seed", type=int, default=1)
    cfg = p.parse_args()
    agent, env = PPO(cfg), TrickGame(cfg.seed)
    for it in range(cfg.iters):
        ro, last = agent.collect(env, cfg.horizon)
        adv, ret = ro.gae(last, cfg.gamma, cfg.lam)
        data = [np.array(ro.obs), np.array(ro.mask), np.array(ro.act), np.array(ro.logp, np.float32), adv, ret]
        for _ in range(cfg.epochs):
            perm = agent.rng.permutation(cfg.horizon)
            for i in range(0, cfg.horizon, cfg.minibatch):
                mb = [tf.constant(x[perm[i:i + cfg.minibatch]]) for x in data]
                loss, ent, vl = agent.update(*mb)
        print(it, np.mean(ro.rew), float(loss), float(ent), explained_variance(np.array(ro.val), ret))


if __name__ == "__main__":
    main()
