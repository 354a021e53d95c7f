"""Advantage actor critic for small discrete environments (gymnasium API)."""
import argparse
import collections
import logging

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

log = logging.getLogger("a2c")
Rollout = collections.namedtuple("Rollout", "obs actions returns old_logp")


class ActorCritic(tf.keras.Model):
    def __init__(self, n_actions, hidden=128):
        super().__init__()
        self.n_actions = n_actions
        self.shared = tf.keras.Sequential([
            layers.Dense(hidden, activation="relu"),
            layers.Dense(hidden, activation="relu"),
        ])
        self.policy = layers.Dense(n_actions, activation="softmax")
        self.value = layers.Dense(1)

    def call(self, obs):
        h = self.shared(obs)
        return self.policy(h), tf.squeeze(self.value(h), -1)


class RunningNorm:
    """Welford estimate of the observation mean and variance."""

    def __init__(self, shape, clip=10.0):
        self.mean = np.zeros(shape, np.float64)
        self.m2 = np.zeros(shape, np.float64)
        self.count = 0
        self.clip = clip

    def update(self, x):
        self.count += 1
        delta = x - self.mean
        self.mean += delta / self.count  # SAFE: count was just incremented
        self.m2 += delta * (x - self.mean)

    def __call__(self, x):
        var = self.m2 / max(self.count, 1)  # SAFE: denominator at least 1
        out = (x - self.mean) / np.sqrt(var + 1e-8)  # SAFE: m2 is non negative and 1e-8 is added
        return np.clip(out, -self.clip, self.clip).astype(np.float32)


class Agent:
    def __init__(self, obs_dim, n_actions, lr, gamma, entropy_coef, explore):
        self.model = ActorCritic(n_actions)
        self.norm = RunningNorm((obs_dim,))
        self.opt = tf.keras.optimizers.RMSprop(lr, epsilon=1e-5)
        self.gamma = gamma
        self.entropy_coef = entropy_coef
        self.explore = explore

    def act(self, obs):
        probs, _ = self.model(obs[None])
        if np.random.rand() < self.explore:
            return np.random.randint(self.model.n_actions)
        logits = tf.math.log(tf.clip_by_value(probs, 1e-10, 1.0))  # SAFE: clipped from below at 1e-10
        return int(tf.random.categorical(logits, 1)[0, 0])

    def log_prob(self, probs, actions):
        one_hot = tf.one_hot(actions, self.model.n_actions)
        chosen = tf.reduce_sum(probs * one_hot, axis=-1)
        return tf.math.log(chosen)  # BUG: log-softmax, epsilon exploration picks actions whose softmax probability underflows to 0

    def entropy(self, probs):
        return -tf.reduce_sum(probs * tf.math.log(probs), axis=-1)  # BUG: zero-log-zero, a deterministic policy has exact zeros

    def discounted(self, rewards, dones, last_value):
        out = np.zeros(len(rewards), np.float32)
        running = last_value
        for t in reversed(range(len(rewards))):
            running = rewards[t] + self.gamma * running * (1.0 - dones[t])
            out[t] = running
        return out

    @tf.function(reduce_retracing=True)
    def update(self, obs, actions, returns):
        with tf.GradientTape() as tape:
            probs, values = self.model(obs)
            adv = tf.stop_gradient(returns - values)
            adv = (adv - tf.reduce_mean(adv)) / (tf.math.reduce_std(adv) + 1e-8)  # SAFE: std is non negative, under stop_gradient
            pg = -tf.reduce_mean(self.log_prob(probs, actions) * adv)
            critic = tf.reduce_mean(tf.keras.losses.huber(returns[:, None], values[:, None]))
            ent = tf.reduce_mean(self.entropy(probs))
            loss = pg + 0.5 * critic - self.entropy_coef * ent
        grads = tape.gradient(loss, self.model.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, 0.5)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return pg, critic, ent, norm


def explained_variance(returns, values):
    var = np.var(returns)
    if var == 0:
        return float("nan")
    return 1.0 - np.var(returns - values) / var  # SAFE: zero variance returns early


def collect(env, agent, obs, n_steps):
    o, a, r, d = [], [], [], []
    for _ in range(n_steps):
        agent.norm.update(obs)
        x = agent.norm(obs)
        action = agent.act(x)
        obs, reward, terminated, truncated, _ = env.step(action)
        o.append(x)
        a.append(action)
        r.append(reward)
        d.append(float(terminated or truncated))
        if terminated or truncated:
            obs, _ = env.reset()
    _, v = agent.model(agent.norm(obs)[None])
    returns = agent.discounted(r, d, float(v[0]))
    return obs, np.stack(o), np.asarray(a, np.int32), returns, sum(r) / max(1.0, sum(d))  # SAFE: episodes floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="CartPole-v1")
    p.add_argument("--updates", type=int, default=5000)
    p.add_argument("--n-steps", type=int, default=32)
    p.add_argument("--lr", type=float, default=7e-4)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--entropy", type=float, default=0.01)
    p.add_argument("--explore", type=float, default=0.05)
    args = p.parse_args()
    logging.basicConfig(level=logging.INFO)

    import gymnasium as gym
    env = gym.make(args.env)
    agent = Agent(env.observation_space.shape[0], env.action_space.n,
                  args.lr, args.gamma, args.entropy, args.explore)
    obs, _ = env.reset()
    for update in range(args.updates):
        obs, o, a, ret, score = collect(env, agent, obs, args.n_steps)
        pg, critic, ent, norm = agent.update(tf.constant(o), tf.constant(a), tf.constant(ret))
        if update % 100 == 0:
            _, v = agent.model(o)
            log.info("%d score %.1f pg %.3f critic %.3f entropy %.3f norm %.2f ev %.2f", update, score,
                     pg, critic, ent, norm, explained_variance(ret, v.numpy()))


if __name__ == "__main__":
    main()
