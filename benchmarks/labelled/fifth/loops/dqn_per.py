"""Double DQN with prioritised replay on a small maze (assignment code)."""
import argparse
import random

import numpy as np
import tensorflow as tf

MAZE = ["S...#", ".#.#.", ".#...", "...#G"]
ACTIONS = [(0, 1), (1, 0), (0, -1), (-1, 0)]


class Maze:
    def __init__(self):
        self.h, self.w = len(MAZE), len(MAZE[0])

    def reset(self):
        self.y = self.x = 0
        self.t = 0
        return self.obs()

    def obs(self):
        return np.array([self.y / (self.h - 1), self.x / (self.w - 1), self.t / 50.0], np.float32)  # SAFE: the maze is a constant of 4 x 5 cells

    def step(self, a):
        dy, dx = ACTIONS[a]
        y, x = self.y + dy, self.x + dx
        self.t += 1
        if 0 <= y < self.h and 0 <= x < self.w and MAZE[y][x] != "#":
            self.y, self.x = y, x
        if MAZE[self.y][self.x] == "G":
            return self.obs(), 1.0, True
        return self.obs(), -0.01, self.t >= 50


class PrioritisedReplay:
    def __init__(self, capacity, alpha=0.6, eps=1e-2):
        self.capacity = capacity
        self.alpha, self.eps = alpha, eps
        self.store = []
        self.prio = np.full(capacity, 1)
        self.pos = 0

    def __len__(self):
        return len(self.store)

    def add(self, item):
        if len(self.store) < self.capacity:
            self.store.append(item)
        else:
            self.store[self.pos] = item
        self.prio[self.pos] = self.prio.max()
        self.pos = (self.pos + 1) % self.capacity

    def sample(self, n, beta):
        p = self.prio[:len(self.store)] ** self.alpha
        p = p / p.sum()  # BUG: div-zero, after the integer priorities have been truncated to 0 everywhere the sum is 0 and p is NaN
        idx = np.random.choice(len(self.store), n, p=p)
        w = (len(self.store) * p[idx]) ** -beta  # SAFE: an index with p = 0 cannot be drawn
        w = w / w.max()  # SAFE: weights are positive for drawn indices
        batch = [np.array(c) for c in zip(*(self.store[i] for i in idx))]
        return idx, w.astype(np.float32), batch

    def update(self, idx, td):
        self.prio[idx] = np.abs(td) + self.eps  # BUG: cast, the array was created by np.full(capacity, 1) and is integer, errors below 1 are stored as 0


def q_net():
    return tf.keras.Sequential([
        tf.keras.Input((3,)),
        tf.keras.layers.Dense(64, activation="relu"),
        tf.keras.layers.Dense(64, activation="relu"),
        tf.keras.layers.Dense(len(ACTIONS)),
    ])


class Agent:
    def __init__(self, gamma=0.97, lr=1e-3):
        self.q, self.target = q_net(), q_net()
        self.target.set_weights(self.q.get_weights())
        self.gamma = gamma
        self.opt = tf.keras.optimizers.Adam(lr)

    def act(self, s, eps):
        if random.random() < eps:
            return random.randrange(len(ACTIONS))
        return int(np.argmax(self.q(s[None])[0]))

    @tf.function
    def learn(self, s, a, r, s2, d, w):
        best = tf.argmax(self.q(s2), 1)
        q2 = tf.gather(self.target(s2), best, batch_dims=1)
        y = r + self.gamma * (1.0 - d) * q2
        with tf.GradientTape() as tape:
            q = tf.gather(self.q(s), a, batch_dims=1)
            td = tf.stop_gradient(y) - q
            ad = tf.abs(td)
            huber = tf.where(ad < 1.0, 0.5 * td ** 2, ad - 0.5)  # SAFE: both branches are finite with finite slopes
            loss = tf.reduce_mean(w * huber)
        v = self.q.trainable_variables
        g = [tf.clip_by_norm(x, 10.0) for x in tape.gradient(loss, v)]  # SAFE: clip_by_norm guards the zero norm itself
        self.opt.apply_gradients(zip(g, v))
        return td, loss


def epsilon(step, total, lo=0.05):
    return max(lo, 1.0 - step / (0.5 * max(total, 1)))  # SAFE: total floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--steps", type=int, default=30000)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--capacity", type=int, default=5000)
    p.add_argument("--start", type=int, default=500)
    p.add_argument("--sync", type=int, default=250)
    a = p.parse_args()
    env, agent, mem = Maze(), Agent(), PrioritisedReplay(a.capacity)
    s, returns, ret = env.reset(), [], 0.0
    for t in range(a.steps):
        act = agent.act(s, epsilon(t, a.steps))
        s2, r, done = env.step(act)
        mem.add((s, act, np.float32(r), s2, np.float32(done)))
        ret += r
        s = s2
        if done:
            s = env.reset()
            returns.append(ret)
            ret = 0.0
        if len(mem) < a.start:
            continue
        beta = min(1.0, 0.4 + 0.6 * t / a.steps)  # SAFE: inside the loop steps is at least 1
        idx, w, (bs, ba, br, bs2, bd) = mem.sample(a.batch, beta)
        td, loss = agent.learn(bs, ba, br, bs2, bd, w)
        mem.update(idx, td.numpy())
        if t % a.sync == 0:
            agent.target.set_weights(agent.q.get_weights())
        if t % 1000 == 0:
            print(t, "loss %.4f" % float(loss), "return %.3f" % np.mean(returns[-50:] or [0.0]))
    agent.q.save("dqn_maze.keras")


if __name__ == "__main__":
    main()
