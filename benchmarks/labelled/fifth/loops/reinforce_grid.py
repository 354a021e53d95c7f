# Assignment 3: REINFORCE with a learned baseline on the slippery grid world
import os
import random
from collections import deque

import numpy as np
import tensorflow as tf

SEED = 7
GAMMA = 0.98
EPISODES = 3000
MAX_T = 60
SAVE_TO = "checkpoints/reinforce"

random.seed(SEED)
np.random.seed(SEED)
tf.random.set_seed(SEED)


class Grid(object):
    MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]

    def __init__(self, n=5, slip=0.1):
        self.n = n
        self.slip = slip
        self.goal = (n - 1, n - 1)
        self.holes = {(1, 1), (2, 3), (3, 0)}

    def reset(self):
        free = [(i, j) for i in range(self.n) for j in range(self.n)
                if (i, j) != self.goal and (i, j) not in self.holes]
        self.pos = random.choice(free)
        return self.state()

    def state(self):
        s = np.zeros(self.n * self.n, dtype=np.float32)
        s[self.pos[0] * self.n + self.pos[1]] = 1
        return s

    def step(self, a):
        if random.random() < self.slip:
            a = random.randrange(4)
        di, dj = self.MOVES[a]
        i = min(max(self.pos[0] + di, 0), self.n - 1)
        j = min(max(self.pos[1] + dj, 0), self.n - 1)
        self.pos = (i, j)
        if self.pos == self.goal:
            return self.state(), 1.0, True
        if self.pos in self.holes:
            return self.state(), -1.0, True
        return self.state(), -0.01, False


class Policy(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.h = tf.keras.layers.Dense(32, activation="relu")
        self.o = tf.keras.layers.Dense(4, activation="softmax")

    def call(self, s):
        return self.o(self.h(s))


class Baseline(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.h = tf.keras.layers.Dense(32, activation="relu")
        self.o = tf.keras.layers.Dense(1)

    def call(self, s):
        return tf.squeeze(self.o(self.h(s)), axis=1)


class Agent(object):
    def __init__(self):
        self.policy = Policy()
        self.baseline = Baseline()
        self.p_opt = tf.keras.optimizers.Adam(2e-3)
        self.b_opt = tf.keras.optimizers.Adam(5e-3)

    def choose(self, s):
        p = self.policy(s[None])[0].numpy().astype("float64")
        p = p / p.sum()  # SAFE: softmax output, the sum is about 1
        return np.random.choice(4, p=p)

    def discount(self, rewards):
        g = 0.0
        out = np.zeros(len(rewards), dtype=np.float32)
        for t in range(len(rewards) - 1, -1, -1):
            g = rewards[t] + GAMMA * g
            out[t] = g
        return out

    def whiten(self, returns):
        returns = returns - np.mean(returns)
        return returns / np.std(returns)  # BUG: div-zero, an episode of one step (start next to a hole) has std 0 and gives 0/0

    def learn(self, states, actions, rewards):
        s = tf.constant(np.array(states))
        a = tf.constant(np.array(actions, dtype=np.int32))
        g = self.discount(rewards)
        with tf.GradientTape() as tape:
            b = self.baseline(s)
            b_loss = tf.reduce_mean(tf.square(g - b))
        bv = self.baseline.trainable_variables
        self.b_opt.apply_gradients(zip(tape.gradient(b_loss, bv), bv))

        adv = self.whiten(g - b.numpy())
        with tf.GradientTape() as tape:
            p = self.policy(s)
            chosen = tf.reduce_sum(p * tf.one_hot(a, 4), axis=1)
            logp = tf.math.log(tf.clip_by_value(chosen, 1e-6, 1.0))  # SAFE: clipped to [1e-6, 1]
            ent = -tf.reduce_sum(p * tf.math.log(p + 1e-9), axis=1)  # SAFE: p >= 0 and 1e-9 is a normal float32
            loss = -tf.reduce_mean(logp * adv) - 0.01 * tf.reduce_mean(ent)
        pv = self.policy.trainable_variables
        self.p_opt.apply_gradients(zip(tape.gradient(loss, pv), pv))
        return float(loss), float(b_loss)


def run_episode(env, agent):
    s = env.reset()
    S, A, R = [], [], []
    for _ in range(MAX_T):
        a = agent.choose(s)
        s2, r, done = env.step(a)
        S.append(s)
        A.append(a)
        R.append(r)
        s = s2
        if done:
            break
    return S, A, R


def success_rate(env, agent, n=50):
    wins = 0
    steps = []
    for _ in range(n):
        _, _, R = run_episode(env, agent)
        wins += R[-1] > 0.5
        steps.append(len(R))
    return wins / n, np.sum(steps) / max(wins, 1)  # SAFE: n is 50 and wins is floored at 1


def main():
    env = Grid()
    agent = Agent()
    recent = deque(maxlen=100)
    os.makedirs(SAVE_TO, exist_ok=True)
    for ep in range(EPISODES):
        S, A, R = run_episode(env, agent)
        loss, bl = agent.learn(S, A, R)
        recent.append(sum(R))
        if ep % 100 == 0:
            avg = sum(recent) / len(recent)  # SAFE: one element has been appended before
            print("ep %d  return %.3f  loss %.4f  baseline %.4f" % (ep, avg, loss, bl))
    print("success, steps per win:", success_rate(env, agent))
    agent.policy.save_weights(os.path.join(SAVE_TO, "policy.weights.h5"))


if __name__ == "__main__":
    main()
