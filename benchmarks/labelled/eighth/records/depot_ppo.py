"""PPO for choosing the next truck at a depot gate. Invalid trucks are masked.

The environment is a vectorised simulator: reset() -> (obs, mask), step(a) -> (obs, mask, reward, done).
"""
import argparse
import importlib
import json
import os
from collections import deque

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

BIG = 1e8


class Policy(keras.Model):
    def __init__(self, n_actions, width=128):
        super().__init__()
        ortho = lambda g: keras.initializers.Orthogonal(g)
        self.body = keras.Sequential([layers.Dense(width, activation="tanh", kernel_initializer=ortho(np.sqrt(2))),  # SAFE: root of two
                                      layers.Dense(width, activation="tanh", kernel_initializer=ortho(np.sqrt(2)))])
        self.pi = layers.Dense(n_actions, kernel_initializer=ortho(0.01))
        self.v = layers.Dense(1, kernel_initializer=ortho(1.0))

    def call(self, obs, mask):
        h = self.body(obs)
        logits = self.pi(h) - BIG * (1.0 - mask)
        return logits, tf.squeeze(self.v(h), -1)


def log_prob_entropy(logits, mask, actions):
    logp = tf.nn.log_softmax(logits)  # SAFE: log_softmax is stable and every mask keeps the waiting action
    taken = tf.gather(logp, actions, batch_dims=1)
    p = tf.exp(logp)  # SAFE: log-probabilities are not positive
    entropy = -tf.reduce_sum(p * logp * mask, axis=-1)  # SAFE: masked entries are large but finite times zero
    return taken, entropy


class RewardScaler:
    """Divides by the running deviation of the discounted return."""

    def __init__(self, n, gamma):
        self.ret = np.zeros(n)
        self.gamma, self.count, self.mean, self.m2 = gamma, 1e-4, 0.0, 0.0

    def __call__(self, r, done):
        self.ret = self.gamma * self.ret * (1 - done) + r
        for x in self.ret:
            self.count += 1
            d = x - self.mean
            self.mean += d / self.count  # SAFE: count is above one here
            self.m2 += d * (x - self.mean)
        var = self.m2 / self.count
        return np.clip(r / np.sqrt(var + 1e-8), -10, 10)  # SAFE: 1e-8 in double precision, clipped


def gae(rew, val, done, last, gamma, lam):
    adv = np.zeros_like(rew)
    run = 0.0
    for t in reversed(range(len(rew))):
        nxt = last if t == len(rew) - 1 else val[t + 1]
        delta = rew[t] + gamma * nxt * (1 - done[t]) - val[t]
        run = delta + gamma * lam * (1 - done[t]) * run
        adv[t] = run
    return adv, adv + val


def explained_variance(pred, true):
    var = true.var()
    return float("nan") if var < 1e-8 else float(1 - (true - pred).var() / var)  # SAFE: small variances are returned before


class PPO:
    def __init__(self, policy, args):
        self.policy, self.a = policy, args
        self.opt = keras.optimizers.Adam(args.lr, epsilon=1e-5)  # SAFE: 3e-4

    @tf.function
    def update(self, obs, mask, act, old_logp, adv, ret):
        mean, var = tf.nn.moments(adv, [0])
        adv = (adv - mean) / (tf.sqrt(var) + 1e-6)  # SAFE: the advantages are constants, 1e-6 is added to the deviation
        with tf.GradientTape() as tape:
            logits, value = self.policy(obs, mask)
            logp, ent = log_prob_entropy(logits, mask, act)
            ratio = tf.exp(tf.clip_by_value(logp - old_logp, -10.0, 10.0))  # SAFE: exponent is clipped
            clipped = tf.clip_by_value(ratio, 1 - self.a.clip, 1 + self.a.clip)
            pg = -tf.reduce_mean(tf.minimum(ratio * adv, clipped * adv))
            vf = tf.reduce_mean(keras.losses.huber(ret[:, None], value[:, None]))  # SAFE: returns are scaled and the Huber slope is bounded
            loss = pg + 0.5 * vf - self.a.entropy * tf.reduce_mean(ent)
        tv = self.policy.trainable_variables
        grads, norm = tf.clip_by_global_norm(tape.gradient(loss, tv), 0.5)
        self.opt.apply_gradients(zip(grads, tv))
        kl = tf.reduce_mean(old_logp - logp)
        return pg, vf, kl, norm


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--sim", default="depot.gym:VectorGate")
    ap.add_argument("--envs", type=int, default=16)
    ap.add_argument("--rollout", type=int, default=128)
    ap.add_argument("--iterations", type=int, default=800)
    ap.add_argument("--epochs", type=int, default=4)
    ap.add_argument("--minibatch", type=int, default=256)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--gamma", type=float, default=0.995)
    ap.add_argument("--lam", type=float, default=0.95)
    ap.add_argument("--clip", type=float, default=0.2)
    ap.add_argument("--entropy", type=float, default=0.01)
    ap.add_argument("--target-kl", type=float, default=0.03)
    ap.add_argument("--out", default="ppo_depot")
    args = ap.parse_args()

    mod, cls = args.sim.split(":")
    env = getattr(importlib.import_module(mod), cls)(args.envs)
    policy = Policy(env.n_actions)
    agent, scaler = PPO(policy, args), RewardScaler(args.envs, args.gamma)
    os.makedirs(args.out, exist_ok=True)
    obs, mask = env.reset()
    mask[:, 0] = 1.0  # action 0 is "wait" and always allowed
    recent, returns = deque(maxlen=100), np.zeros(args.envs)
    rng = np.random.default_rng(0)
    for it in range(args.iterations):
        store = {k: [] for k in ("o", "m", "a", "lp", "v", "r", "d")}
        for _ in range(args.rollout):
            logits, v = policy(tf.constant(obs, tf.float32), tf.constant(mask, tf.float32))
            a = tf.random.categorical(logits, 1)[:, 0]
            lp, _ = log_prob_entropy(logits, tf.constant(mask, tf.float32), a)
            nobs, nmask, r, d = env.step(a.numpy())
            nmask[:, 0] = 1.0
            returns += r
            for k in np.flatnonzero(d):
                recent.append(returns[k])
                returns[k] = 0.0
            for key, val in zip(store, (obs, mask, a.numpy(), lp.numpy(), v.numpy(), scaler(r, d), d)):
                store[key].append(val)
            obs, mask = nobs, nmask
        last = policy(tf.constant(obs, tf.float32), tf.constant(mask, tf.float32))[1].numpy()
        s = {k: np.asarray(v, np.float32) for k, v in store.items()}
        adv, ret = gae(s["r"], s["v"], s["d"], last, args.gamma, args.lam)
        flat = lambda x: x.reshape((-1,) + x.shape[2:])
        data = [flat(s["o"]), flat(s["m"]), flat(s["a"]).astype(np.int32), flat(s["lp"]), flat(adv), flat(ret)]
        for _ in range(args.epochs):
            order = rng.permutation(len(data[0]))
            for i in range(0, len(order), args.minibatch):
                out = agent.update(*(tf.constant(x[order[i:i + args.minibatch]]) for x in data))
            if float(out[2]) > args.target_kl:
                break
        if it % 10 == 0:
            print(json.dumps({"it": it, "return": float(np.mean(recent)) if recent else None,  # SAFE: empty deque handled
                              "pg": float(out[0]), "vf": float(out[1]), "ev": explained_variance(flat(s["v"]), data[5])}))
        if it % 100 == 99:
            policy.save_weights(os.path.join(args.out, "it%d.weights.h5" % it))


if __name__ == "__main__":
    main()
