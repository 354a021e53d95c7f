"""Dueling double DQN with prioritized replay for CartPole like tasks, TensorFlow 1.x."""
import argparse
import collections
import math
import random

import numpy as np
import tensorflow as tf


class CartPole(object):
    high = np.array([4.8, 5.0, 0.42, 5.0], np.float32)

    def reset(self):
        self.s = np.random.uniform(-0.05, 0.05, 4)
        self.t = 0
        return self.s.copy()

    def step(self, a):
        x, v, th, w = self.s
        f = 10.0 if a == 1 else -10.0
        tmp = (f + 0.05 * w * w * math.sin(th)) / 1.1  # SAFE: the total mass is a constant
        acc = (9.8 * math.sin(th) - math.cos(th) * tmp) / (0.5 * (4.0 / 3.0 - 0.1 * math.cos(th) ** 2 / 1.1))  # SAFE: cos^2 is at most one, the bracket is at least 1.24
        self.s = np.array([x + 0.02 * v, v + 0.02 * (tmp - 0.05 * acc * math.cos(th) / 1.1), th + 0.02 * w, w + 0.02 * acc])
        self.t += 1
        done = abs(self.s[0]) > 2.4 or abs(self.s[2]) > 0.21
        return self.s.copy(), 1.0, done or self.t >= 500


class SumTree(object):

    def __init__(self, size):
        self.size = size
        self.tree = np.zeros(2 * size)
        self.data = [None] * size
        self.n = self.i = 0

    def add(self, p, item):
        self.data[self.i] = item
        self.update(self.i, p)
        self.i = (self.i + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def update(self, i, p):
        k = i + self.size
        delta = p - self.tree[k]
        while k >= 1:
            self.tree[k] += delta
            k //= 2

    def find(self, value):
        k = 1
        while k < self.size:
            left = 2 * k
            if value <= self.tree[left] or self.tree[left + 1] <= 0:
                k = left
            else:
                value -= self.tree[left]
                k = left + 1
        return k - self.size


class PrioritizedReplay(object):
    eps, alpha = 0.01, 0.6

    def __init__(self, size):
        self.tree = SumTree(size)
        self.top = 1.0

    def add(self, item):
        self.tree.add(self.top ** self.alpha, item)

    def sample(self, k, beta):
        total = self.tree.tree[1]
        step = total / k  # SAFE: k is the batch size of 64
        idx = [min(self.tree.find(random.uniform(j * step, (j + 1) * step)), self.tree.n - 1) for j in range(k)]
        p = np.array([self.tree.tree[i + self.tree.size] for i in idx]) / total  # SAFE: sample is called after 1000 items, each with a priority of at least eps ** alpha
        w = np.power(self.tree.n * np.maximum(p, 1e-8), -beta)  # SAFE: probabilities are floored
        return idx, [self.tree.data[i] for i in idx], (w / w.max()).astype(np.float32)

    def update(self, idx, td):
        for i, e in zip(idx, np.abs(td) + self.eps):
            self.tree.update(i, min(e, 100.0) ** self.alpha)
            self.top = max(self.top, min(e, 100.0))


class QNetwork(object):

    def __init__(self, scope, n_state, n_action, hidden=64):
        with tf.variable_scope(scope):
            self.s = tf.placeholder(tf.float32, [None, n_state], 'state')
            h = tf.layers.dense(self.s, hidden, activation=tf.nn.relu, name='h1',
                                kernel_initializer=tf.variance_scaling_initializer(2.0))
            h = tf.layers.dense(h, hidden, activation=tf.nn.relu, name='h2',
                                kernel_initializer=tf.variance_scaling_initializer(2.0))
            v = tf.layers.dense(h, 1, name='value')
            adv = tf.layers.dense(h, n_action, name='advantage')
            self.q = v + adv - tf.reduce_mean(adv, 1, keepdims=True)
        self.vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)


class Agent(object):

    def __init__(self, n_state, n_action, args):
        self.args = args
        self.main, self.target = QNetwork('main', n_state, n_action), QNetwork('target', n_state, n_action)
        self.a = tf.placeholder(tf.int32, [None])
        self.y = tf.placeholder(tf.float32, [None])
        self.w = tf.placeholder(tf.float32, [None])
        q = tf.reduce_sum(self.main.q * tf.one_hot(self.a, n_action), 1)
        self.td = self.y - q
        absolute = tf.abs(self.td)
        huber = tf.where(absolute < 1.0, 0.5 * tf.square(self.td), absolute - 0.5)  # SAFE: both branches are polynomials with finite gradients
        self.loss = tf.reduce_mean(self.w * huber)
        self.boltzmann = tf.nn.softmax(self.main.q / max(args.temperature, 1e-3))  # SAFE: floored temperature and the stable softmax
        log_pi = tf.nn.log_softmax(self.main.q / max(args.temperature, 1e-3))  # SAFE: log_softmax of finite values
        self.entropy = -tf.reduce_mean(tf.reduce_sum(self.boltzmann * log_pi, 1))
        opt = tf.train.RMSPropOptimizer(args.lr, momentum=0.0, epsilon=1e-5)  # SAFE: epsilon inside of the root of RMSProp
        gvs = opt.compute_gradients(self.loss, var_list=self.main.vars)
        self.train_op = opt.apply_gradients([(tf.clip_by_norm(g, 10.0), v) for g, v in gvs])  # SAFE: clip_by_norm handles a zero norm
        self.sync = [t.assign(m) for m, t in zip(self.main.vars, self.target.vars)]

    def act(self, sess, s, eps):
        if random.random() < eps:
            return random.randrange(2)
        return int(sess.run(self.main.q, {self.main.s: [s]})[0].argmax())

    def learn(self, sess, items, w):
        s, a, r, s2, d = [np.array(c) for c in zip(*items)]
        best = sess.run(self.main.q, {self.main.s: s2}).argmax(1)
        nxt = sess.run(self.target.q, {self.target.s: s2})[np.arange(len(best)), best]
        y = r + self.args.gamma * nxt * (1.0 - d)
        td, loss, _ = sess.run([self.td, self.loss, self.train_op],
                               {self.main.s: s, self.a: a, self.y: y, self.w: w})
        return td, loss


def epsilon(step, args):
    return args.eps_end + (1.0 - args.eps_end) * math.exp(-step / args.eps_decay)  # SAFE: the step is not negative


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--episodes', type=int, default=500)
    p.add_argument('--gamma', type=float, default=0.99)
    p.add_argument('--lr', type=float, default=2.5e-4)
    p.add_argument('--batch', type=int, default=64)
    p.add_argument('--memory', type=int, default=16384)
    p.add_argument('--temperature', type=float, default=0.1)
    p.add_argument('--eps_end', type=float, default=0.02)
    p.add_argument('--eps_decay', type=float, default=3000.0)
    p.add_argument('--sync', type=int, default=500)
    args = p.parse_args()
    env, memory = CartPole(), PrioritizedReplay(args.memory)
    agent = Agent(4, 2, args)
    recent, step = collections.deque(maxlen=50), 0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(agent.sync)
        for ep in range(args.episodes):
            s, done, total, losses = env.reset() / env.high, False, 0.0, [0.0]  # SAFE: the bounds are positive constants
            while not done:
                a = agent.act(sess, s, epsilon(step, args))
                s2, r, done = env.step(a)
                s2 = s2 / env.high
                memory.add((s, a, r, s2, float(done)))
                s, total, step = s2, total + r, step + 1
                if step > 1000:
                    idx, items, w = memory.sample(args.batch, min(1.0, 0.4 + step * 1e-5))
                    td, loss = agent.learn(sess, items, w)
                    memory.update(idx, td)
                    losses.append(loss)
                if step % args.sync == 0:
                    sess.run(agent.sync)
            recent.append(total)
            if ep % 10 == 0:
                ent = sess.run(agent.entropy, {agent.main.s: [s]})
                print('ep %d steps %d return %.1f mean %.1f loss %.4f H %.3f'
                      % (ep, step, total, np.mean(recent), np.mean(losses), ent))


if __name__ == '__main__':
    main()
