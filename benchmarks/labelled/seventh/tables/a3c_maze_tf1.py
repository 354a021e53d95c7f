"""Asynchronous advantage actor-critic on small grid mazes, one worker per thread."""
import argparse
import os
import threading
from time import sleep

import numpy as np
import scipy.signal
import tensorflow as tf
import tensorflow.contrib.slim as slim


def update_target_graph(from_scope, to_scope):
    src = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, from_scope)
    dst = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, to_scope)
    return [d.assign(s) for s, d in zip(src, dst)]


def discount(x, gamma):
    return scipy.signal.lfilter([1], [1, -gamma], x[::-1], axis=0)[::-1]


def process_frame(frame):
    s = frame.astype(np.float32)
    s = (s - s.min()) / max(s.max() - s.min(), 1.0)  # SAFE: blank frames divide by one
    return s.reshape(-1)


def normalized_columns_initializer(std=1.0):
    def _initializer(shape, dtype=None, partition_info=None):
        out = np.random.randn(*shape).astype(np.float32)
        out *= std / np.sqrt(np.square(out).sum(axis=0, keepdims=True))  # SAFE: a column of gaussian draws is never all zero
        return tf.constant(out)
    return _initializer


class Maze(object):
    MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]

    def __init__(self, size=12, walls=0.2, seed=None):
        self.size = size
        self.walls = walls
        self.rng = np.random.RandomState(seed)

    def reset(self):
        self.grid = (self.rng.rand(self.size, self.size) < self.walls).astype(np.float32)
        self.pos, self.goal = [0, 0], [self.size - 1, self.size - 1]
        self.grid[0, 0] = self.grid[-1, -1] = 0
        self.t = 0
        return self._render()

    def _render(self):
        img = self.grid * 80
        img[tuple(self.goal)] = 160
        img[tuple(self.pos)] = 255
        return img

    def step(self, a):
        self.t += 1
        nxt = [int(np.clip(self.pos[i] + self.MOVES[a][i], 0, self.size - 1)) for i in range(2)]
        if self.grid[tuple(nxt)] == 0:
            self.pos = nxt
        done = self.pos == self.goal or self.t >= 300
        r = 1.0 if self.pos == self.goal else -0.01
        return self._render(), r, done


class AC_Network(object):

    def __init__(self, s_size, a_size, scope, trainer, side=12):
        with tf.variable_scope(scope):
            self.inputs = tf.placeholder(shape=[None, s_size], dtype=tf.float32)
            self.imageIn = tf.reshape(self.inputs, shape=[-1, side, side, 1])
            self.conv1 = slim.conv2d(activation_fn=tf.nn.elu, inputs=self.imageIn, num_outputs=16,
                                     kernel_size=[4, 4], stride=[2, 2], padding='VALID')
            self.conv2 = slim.conv2d(activation_fn=tf.nn.elu, inputs=self.conv1, num_outputs=32,
                                     kernel_size=[3, 3], stride=[1, 1], padding='VALID')
            hidden = slim.fully_connected(slim.flatten(self.conv2), 128, activation_fn=tf.nn.elu)

            self.policy = slim.fully_connected(hidden, a_size, activation_fn=tf.nn.softmax,
                                               weights_initializer=normalized_columns_initializer(0.01),
                                               biases_initializer=None)
            self.value = slim.fully_connected(hidden, 1, activation_fn=None,
                                              weights_initializer=normalized_columns_initializer(1.0),
                                              biases_initializer=None)

            if scope != 'global':
                self.actions = tf.placeholder(shape=[None], dtype=tf.int32)
                self.actions_onehot = tf.one_hot(self.actions, a_size, dtype=tf.float32)
                self.target_v = tf.placeholder(shape=[None], dtype=tf.float32)
                self.advantages = tf.placeholder(shape=[None], dtype=tf.float32)

                self.responsible_outputs = tf.reduce_sum(self.policy * self.actions_onehot, [1])
                adv_mean, adv_var = tf.nn.moments(self.advantages, [0])
                adv = (self.advantages - adv_mean) / tf.sqrt(adv_var + 1e-6)  # SAFE: epsilon under the root, and advantages are fed

                self.value_loss = 0.5 * tf.reduce_sum(tf.square(self.target_v - tf.reshape(self.value, [-1])))
                self.entropy = - tf.reduce_sum(self.policy * tf.log(self.policy))  # BUG: zero-log-zero, a saturated softmax gives 0 * log(0)
                self.policy_loss = -tf.reduce_sum(tf.log(self.responsible_outputs) * adv)  # BUG: log-softmax, the exploring branch takes actions whose probability underflowed to 0
                self.loss = 0.5 * self.value_loss + self.policy_loss - self.entropy * 0.01

                local_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)
                self.gradients = tf.gradients(self.loss, local_vars)
                self.var_norms = tf.global_norm(local_vars)
                grads, self.grad_norms = tf.clip_by_global_norm(self.gradients, 40.0)
                global_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, 'global')
                self.apply_grads = trainer.apply_gradients(zip(grads, global_vars))


class Worker(object):

    def __init__(self, env, name, s_size, a_size, trainer, global_episodes, args):
        self.name = "worker_" + str(name)
        self.args = args
        self.env = env
        self.increment = global_episodes.assign_add(1)
        self.local_AC = AC_Network(s_size, a_size, self.name, trainer)
        self.update_local_ops = update_target_graph('global', self.name)
        self.rewards, self.lengths = [], []

    def train(self, rollout, sess, bootstrap_value):
        gamma = self.args.gamma
        obs = np.array([r[0] for r in rollout])
        actions = np.array([r[1] for r in rollout])
        rewards = np.array([r[2] for r in rollout])
        values = np.asarray([r[3] for r in rollout] + [bootstrap_value])
        discounted = discount(np.append(rewards, bootstrap_value), gamma)[:-1]
        delta = rewards + gamma * values[1:] - values[:-1]
        advantages = discount(delta, gamma)
        net = self.local_AC
        v_l, p_l, e_l, g_n, _ = sess.run(
            [net.value_loss, net.policy_loss, net.entropy, net.grad_norms, net.apply_grads],
            {net.target_v: discounted, net.inputs: obs, net.actions: actions, net.advantages: advantages})
        n = len(rollout)
        return v_l / n, p_l / n, e_l / n, g_n  # SAFE: train is called for non-empty rollouts only

    def temperature(self, step):
        return np.exp(-step / self.args.decay)  # SAFE: step >= 0, the exponent is never positive

    def work(self, sess, coord, saver):
        episode, steps = 0, 0
        with sess.as_default():
            while not coord.should_stop():
                sess.run(self.update_local_ops)
                buf, total = [], 0.0
                s, done = process_frame(self.env.reset()), False
                while not done:
                    dist, v = sess.run([self.local_AC.policy, self.local_AC.value],
                                       {self.local_AC.inputs: [s]})
                    p = dist[0].astype(np.float64)
                    p = p / p.sum()  # SAFE: softmax output sums to about one
                    if np.random.rand() < 0.1 * self.temperature(steps):
                        a = np.random.randint(len(p))
                    else:
                        a = np.random.choice(len(p), p=p)
                    frame, r, done = self.env.step(a)
                    buf.append((s, a, r, v[0, 0]))
                    s = process_frame(frame)
                    total += r
                    steps += 1
                    if len(buf) == self.args.rollout and not done:
                        v1 = sess.run(self.local_AC.value, {self.local_AC.inputs: [s]})[0, 0]
                        self.train(buf, sess, v1)
                        buf = []
                        sess.run(self.update_local_ops)
                if buf:
                    losses = self.train(buf, sess, 0.0)
                    if episode % 50 == 0:
                        print(self.name, episode, "R %.2f" % total, "losses", losses)
                self.rewards.append(total)
                if self.name == 'worker_0':
                    sess.run(self.increment)
                    if episode % 250 == 0:
                        saver.save(sess, os.path.join(self.args.model_path, 'model-%d.ckpt' % episode))
                episode += 1
                if episode >= self.args.episodes:
                    coord.request_stop()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--gamma', type=float, default=.99)
    ap.add_argument('--rollout', type=int, default=30)
    ap.add_argument('--episodes', type=int, default=5000)
    ap.add_argument('--decay', type=float, default=20000.)
    ap.add_argument('--workers', type=int, default=4)
    ap.add_argument('--model_path', default='./model')
    args = ap.parse_args()
    if not os.path.exists(args.model_path):
        os.makedirs(args.model_path)
    global_episodes = tf.Variable(0, dtype=tf.int32, name='global_episodes', trainable=False)
    trainer = tf.train.AdamOptimizer(learning_rate=1e-4)
    AC_Network(144, 4, 'global', None)
    workers = [Worker(Maze(seed=i), i, 144, 4, trainer, global_episodes, args) for i in range(args.workers)]
    saver = tf.train.Saver(max_to_keep=5)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        sess.run(tf.global_variables_initializer())
        threads = []
        for w in workers:
            t = threading.Thread(target=lambda w=w: w.work(sess, coord, saver))
            t.start()
            sleep(0.5)
            threads.append(t)
        coord.join(threads)


if __name__ == '__main__':
    main()
