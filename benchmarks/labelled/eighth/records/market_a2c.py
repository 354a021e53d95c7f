"""Advantage actor-critic that works a parent order into child orders. Some sizes are not allowed near the close."""
import argparse
import collections
import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

SIZES = np.array([0.0, 0.01, 0.02, 0.05, 0.10, 0.25])


@dataclasses.dataclass
class Day:
    mid: np.ndarray
    spread: np.ndarray
    volume: np.ndarray


def load_days(folder):
    out = []
    for f in sorted(pathlib.Path(folder).glob("*.npz")):
        with np.load(f) as z:
            if len(z["mid"]) < 60 or not (z["mid"] > 0).all():
                continue
            out.append(Day(z["mid"].astype(float), z["spread"].astype(float), z["volume"].astype(float)))
    if not out:
        raise SystemExit("no days in %s" % folder)
    return out


class ExecutionEnv:
    """One step is a minute. Reward is the shortfall in basis points of the arrival price."""

    def __init__(self, days, rng, impact=0.1):
        self.days, self.rng, self.impact = days, rng, impact

    def reset(self):
        self.day = self.days[self.rng.integers(len(self.days))]
        self.t, self.left = 0, 1.0
        self.arrival = self.day.mid[0]
        self.adv = max(self.day.volume.mean(), 1.0)
        return self.observe()

    def observe(self):
        d, t, n = self.day, self.t, len(self.day.mid)
        move = np.log(d.mid[t] / self.arrival)  # SAFE: days with a price of zero are skipped by the loader
        recent = d.mid[max(t - 5, 0):t + 1]
        vol = recent.std() / recent.mean()  # SAFE: positive prices
        obs = [self.left, t / n, 1e3 * move, 1e3 * vol, 1e4 * d.spread[t] / d.mid[t] / 10.0, np.log1p(d.volume[t] / self.adv)]  # SAFE: positive prices and adv floored at one
        return np.clip(obs, -10, 10).astype(np.float32)

    def mask(self):
        m = (SIZES <= self.left + 1e-9).astype(np.float32)
        if self.t > len(self.day.mid) - 10 and self.left > 0.1:
            m[:3] = 0.0
            m[3] = 1.0
        return m

    def step(self, action):
        d = self.day
        size = min(float(SIZES[action]), self.left)
        part = size * 20.0 * self.adv / max(d.volume[self.t], 1.0)  # SAFE: floored at one
        cost = 0.5 * d.spread[self.t] + self.impact * d.spread[self.t] * np.sqrt(min(part, 25.0))  # SAFE: a non-negative participation
        reward = -1e4 * size * (d.mid[self.t] + cost - self.arrival) / self.arrival
        self.left -= size
        self.t += 1
        done = self.left <= 1e-6 or self.t >= len(d.mid) - 1
        if done and self.left > 1e-6:
            reward -= 20.0 * self.left
        return np.clip(reward / 10.0, -5.0, 5.0), done


class ActorCritic(keras.Model):
    def __init__(self, n, width):
        super().__init__()
        self.h1 = layers.Dense(width, activation="tanh")
        self.h2 = layers.Dense(width, activation="tanh")
        self.logits = layers.Dense(n)
        self.value = layers.Dense(1)

    def call(self, obs, mask):
        h = self.h2(self.h1(obs))
        z = ops.where(mask > 0, self.logits(h), -1e9)
        return z, ops.squeeze(self.value(h), -1)


def losses(model, obs, mask, act, ret, beta):
    z, v = model(obs, mask)
    prob = ops.softmax(z, axis=-1)
    log_prob = ops.log(prob)  # BUG: log-softmax, sizes that are not allowed have probability 0
    taken = ops.sum(log_prob * ops.one_hot(act, z.shape[-1]), axis=-1)
    entropy = -ops.sum(prob * log_prob, axis=-1)
    adv = ops.stop_gradient(ret - v)
    scale = ops.std(adv) + 1e-3
    policy = -ops.mean(taken * adv / scale)  # SAFE: 1e-3 is added and no gradient passes the advantage
    critic = ops.mean(ops.square(ret - v))  # SAFE: rewards are clipped to five, returns are bounded by the discount
    return policy + 0.5 * critic - beta * ops.mean(entropy), policy, critic


def discounted(rewards, dones, last, gamma):
    out = np.zeros(len(rewards), np.float32)
    run = last
    for t in reversed(range(len(rewards))):
        run = rewards[t] + gamma * run * (1.0 - dones[t])
        out[t] = run
    return out


def sharpe(x):
    x = np.asarray(x)
    return float(x.mean() / x.std()) if len(x) > 1 and x.std() > 1e-9 else 0.0  # SAFE: guarded by the conditional


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--updates", type=int, default=20000)
    ap.add_argument("--n-steps", type=int, default=64)
    ap.add_argument("--width", type=int, default=64)
    ap.add_argument("--gamma", type=float, default=0.99)
    ap.add_argument("--beta", type=float, default=0.01)
    ap.add_argument("--lr", type=float, default=7e-4)
    ap.add_argument("--out", default="a2c.weights.h5")
    a = ap.parse_args()
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    env = ExecutionEnv(load_days(a.folder), rng)
    model = ActorCritic(len(SIZES), a.width)
    opt = keras.optimizers.RMSprop(a.lr, rho=0.99, epsilon=1e-5, clipnorm=0.5)  # SAFE: 7e-4

    @tf.function(reduce_retracing=True)
    def update(obs, mask, act, ret):
        with tf.GradientTape() as tape:
            total, p, c = losses(model, obs, mask, act, ret, a.beta)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(total, tv), tv))
        return total, p, c

    obs, score = env.reset(), 0.0
    recent = collections.deque(maxlen=200)
    for u in range(a.updates):
        roll = [[], [], [], [], []]
        for _ in range(a.n_steps):
            m = env.mask()
            z, _ = model(obs[None], m[None])
            act = int(tf.random.categorical(z, 1)[0, 0])
            r, done = env.step(act)
            for lst, v in zip(roll, (obs, m, act, r, float(done))):
                lst.append(v)
            score += r
            if done:
                recent.append(score)
                obs, score = env.reset(), 0.0
            else:
                obs = env.observe()
        last = float(model(obs[None], env.mask()[None])[1][0])
        ret = discounted(roll[3], roll[4], last, a.gamma)
        total, p, c = update(*(tf.constant(np.asarray(v)) for v in (roll[0], roll[1], roll[2], ret)))
        if u % 200 == 0:
            print(json.dumps({"update": u, "loss": float(total), "policy": float(p), "critic": float(c),
                              "mean": float(np.mean(recent)) if recent else None, "sharpe": sharpe(recent)}))  # SAFE: empty deque handled
    model.save_weights(a.out)


if __name__ == "__main__":
    main()
