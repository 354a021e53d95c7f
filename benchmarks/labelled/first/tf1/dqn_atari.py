"""DQN on Breakout, with soft (boltzmann) exploration."""
import argparse
import random
from collections import deque

import gym
import numpy as np
import tensorflow as tf
from skimage.color import rgb2gray
from skimage.transform import resize

ap = argparse.ArgumentParser()
ap.add_argument('--game', default='Breakout-v0')
ap.add_argument('--total', type=int, default=5000000)
ap.add_argument('--train-start', type=int, default=20000)
ap.add_argument('--gamma', type=float, default=0.99)
ap.add_argument('--lr', type=float, default=0.00025)
ap.add_argument('--temp-start', type=float, default=1.0)
ap.add_argument('--temp-end', type=float, default=0.02)
ap.add_argument('--replay', type=int, default=200000)
opt = ap.parse_args()

env = gym.make(opt.game)
N_ACT = env.action_space.n
HIST = 4
PER_EPS = 0.01


def preprocess(frame):
    # keep uint8 to save memory
    g = rgb2gray(frame)
    return np.uint8(resize(g, (84, 84), mode='constant') * 255)


def q_net(x, scope, reuse=False):
    with tf.variable_scope(scope, reuse=reuse):
        n = tf.layers.conv2d(x, 32, 8, 4, activation=tf.nn.relu)
        n = tf.layers.conv2d(n, 64, 4, 2, activation=tf.nn.relu)
        n = tf.layers.conv2d(n, 64, 3, 1, activation=tf.nn.relu)
        n = tf.contrib.layers.flatten(n)
        v = tf.layers.dense(tf.layers.dense(n, 256, tf.nn.relu), 1)
        a = tf.layers.dense(tf.layers.dense(n, 256, tf.nn.relu), N_ACT)
        return v + (a - tf.reduce_mean(a, 1, keep_dims=True))


s_ph = tf.placeholder(tf.uint8, [None, 84, 84, HIST])
s2_ph = tf.placeholder(tf.uint8, [None, 84, 84, HIST])
a_ph = tf.placeholder(tf.int32, [None])
r_ph = tf.placeholder(tf.float32, [None])
d_ph = tf.placeholder(tf.float32, [None])
w_ph = tf.placeholder(tf.float32, [None])
temp_ph = tf.placeholder(tf.float32, [])

q = q_net(tf.to_float(s_ph) / 255.0, 'online')  # SAFE: constant, pixels scaled
q2 = q_net(tf.to_float(s2_ph) / 255.0, 'target')  # SAFE: constant, pixels scaled

# action probabilities
e = tf.exp(q / temp_ph)  # BUG: exp-overflow, q = 2 at temperature 0.02 is exp(100) = inf, inf/inf
pi = e / tf.reduce_sum(e, axis=1, keep_dims=True)  # MAYBE: the quotient of the line above

q_a = tf.reduce_sum(q * tf.one_hot(a_ph, N_ACT), 1)
target = r_ph + opt.gamma * (1. - d_ph) * tf.reduce_max(q2, 1)
td = tf.stop_gradient(target) - q_a
# pseudo huber
huber = tf.sqrt(1.0 + tf.square(td)) - 1.0  # SAFE: radicand >= 1
loss = tf.reduce_mean(w_ph * huber)
abs_td = tf.abs(td)

online = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, 'online')
target_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, 'target')
sync = [t.assign(o) for o, t in zip(online, target_vars)]
train = tf.train.RMSPropOptimizer(opt.lr, 0.95, epsilon=0.01).minimize(loss, var_list=online)


class Replay(object):
    def __init__(self, size):
        self.buf = deque(maxlen=size)
        self.pri = deque(maxlen=size)

    def add(self, item):
        self.buf.append(item)
        self.pri.append(max(self.pri) if len(self.pri) < 1000 and self.pri else 1.0)

    def sample(self, n, beta):
        p = np.array(self.pri) ** 0.6  # SAFE: numpy, priorities >= PER_EPS
        p = p / p.sum()  # SAFE: sum of positive priorities
        idx = np.random.choice(len(self.buf), n, p=p)
        w = (len(self.buf) * p[idx]) ** (-beta)  # SAFE: p > 0
        w = w / w.max()  # SAFE: w > 0
        return idx, [self.buf[i] for i in idx], w

    def update(self, idx, err):
        for i, e_ in zip(idx, err):
            self.pri[i] = e_ + PER_EPS


def main():
    mem = Replay(opt.replay)
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    sess.run(sync)
    frame = preprocess(env.reset())
    state = np.stack([frame] * HIST, axis=2)
    ep_r, rewards = 0., []
    for step in range(opt.total):
        frac = min(1.0, step / 1e6)  # SAFE: constant
        temp = opt.temp_start + frac * (opt.temp_end - opt.temp_start)
        if step < opt.train_start:
            action = random.randrange(N_ACT)
        else:
            p = sess.run(pi, {s_ph: [state], temp_ph: temp})[0]
            action = np.random.choice(N_ACT, p=p)
        obs, r, done, _ = env.step(action)
        nxt = np.append(state[:, :, 1:], preprocess(obs)[:, :, None], axis=2)
        mem.add((state, action, np.clip(r, -1, 1), nxt, float(done)))
        state = nxt
        ep_r += r
        if done:
            rewards.append(ep_r)
            ep_r = 0.
            frame = preprocess(env.reset())
            state = np.stack([frame] * HIST, axis=2)
        if step > opt.train_start and step % 4 == 0:
            idx, batch, w = mem.sample(32, min(1.0, 0.4 + step * 1e-7))
            s, a, rr, s2, d = zip(*batch)
            err, _ = sess.run([abs_td, train], {s_ph: s, a_ph: a, r_ph: rr, s2_ph: s2, d_ph: d, w_ph: w})
            mem.update(idx, err)
        if step % 10000 == 0:
            sess.run(sync)
            print(step, np.mean(rewards[-50:]) if rewards else 0.0)


if __name__ == '__main__':
    main()
