"""Double dueling DQN with prioritized replay."""
import argparse
import collections
import os

import numpy as np
import tensorflow as tf


class SumTree(object):

    def __init__(self, capacity):
        self.capacity = capacity
        self.tree = np.zeros(2 * capacity - 1)
        self.data = [None] * capacity
        self.ptr = self.count = 0

    def add(self, p, item):
        self.data[self.ptr] = item
        self.update(self.ptr + self.capacity - 1, p)
        self.ptr = (self.ptr + 1) % self.capacity
        self.count = min(self.count + 1, self.capacity)

    def update(self, idx, p):
        change = p - self.tree[idx]
        self.tree[idx] = p
        while idx != 0:
            idx = (idx - 1) // 2
            self.tree[idx] += change

    def get(self, v):
        i = 0
        while 2 * i + 1 < len(self.tree):
            left = 2 * i + 1
            if v <= self.tree[left] or self.tree[left + 1] <= 0:
                i = left
            else:
                v -= self.tree[left]
                i = left + 1
        return i, self.tree[i], self.data[i - self.capacity + 1]

    @property
    def total(self):
        return self.tree[0]

    @property
    def leaves(self):
        return self.tree[self.capacity - 1:self.capacity - 1 + self.count]


class Memory(object):
    epsilon = 0.01
    alpha = 0.6
    abs_err_upper = 1.0

    def __init__(self, capacity, rng):
        self.tree, self.rng = SumTree(capacity), rng

    def store(self, transition):
        best = self.tree.leaves.max() if self.tree.count else 0.0
        self.tree.add(best if best > 0 else self.abs_err_upper, transition)

    def sample(self, n, beta):
        seg = self.tree.total / n
        min_prob = self.tree.leaves.min() / self.tree.total  # SAFE: priorities are at least epsilon ** alpha, so the total is positive once something is stored
        idx, batch, weights = [], [], []
        for i in range(n):
            j, p, item = self.tree.get(self.rng.uniform(seg * i, seg * (i + 1)))
            weights.append((p / self.tree.total / min_prob) ** -beta)  # SAFE: every stored leaf has a positive priority and the ratio is at least 1
            idx.append(j)
            batch.append(item)
        return idx, [np.array(c) for c in zip(*batch)], np.array(weights, np.float32)

    def batch_update(self, idx, errors):
        clipped = np.minimum(np.abs(errors) + self.epsilon, self.abs_err_upper)
        for i, p in zip(idx, clipped ** self.alpha):  # SAFE: the base is at least epsilon
            self.tree.update(i, p)


def huber(x, delta=1.0):
    return tf.where(tf.abs(x) < delta, 0.5 * tf.square(x), delta * (tf.abs(x) - 0.5 * delta))  # SAFE: both branches have finite values and slopes for finite x


class DQN(object):

    def __init__(self, n_actions, n_features, args):
        self.n_actions, self.n_features, self.args = n_actions, n_features, args
        self.s = tf.placeholder(tf.float32, [None, n_features], name="s")
        self.s_ = tf.placeholder(tf.float32, [None, n_features], name="s_")
        self.a = tf.placeholder(tf.int32, [None], name="a")
        self.q_target = tf.placeholder(tf.float32, [None], name="q_target")
        self.is_w = tf.placeholder(tf.float32, [None], name="is_weights")
        self.q_eval = self._net(self.s, "eval_net")
        self.q_next = self._net(self.s_, "target_net")
        self._build_loss()
        e = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, "eval_net")
        t = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, "target_net")
        self.replace = [tf.assign(x, y) for x, y in zip(t, e)]

    def _net(self, s, scope):
        with tf.variable_scope(scope):
            h = tf.layers.dense(s, self.args.hidden, tf.nn.relu, name="l1")
            h = tf.layers.dense(h, self.args.hidden, tf.nn.relu, name="l2")
            v = tf.layers.dense(h, 1, name="value")
            a = tf.layers.dense(h, self.n_actions, name="advantage")
            return v + a - tf.reduce_mean(a, axis=1, keepdims=True)

    def _build_loss(self):
        q = tf.reduce_sum(self.q_eval * tf.one_hot(self.a, self.n_actions), axis=1)
        td = self.q_target - q
        self.abs_errors = tf.abs(td)
        self.loss = tf.reduce_sum(self.is_w * huber(td)) / tf.reduce_sum(self.is_w)  # SAFE: importance weights of a non-empty batch are positive
        policy = tf.nn.softmax(self.q_eval / max(self.args.temperature, 1e-3))  # SAFE: softmax subtracts its maximum and the temperature is floored
        ent = -tf.reduce_sum(policy * tf.nn.log_softmax(self.q_eval), 1)  # SAFE: log_softmax is finite and this is only a summary
        tf.summary.scalar("loss", self.loss)
        tf.summary.scalar("boltzmann_entropy", tf.reduce_mean(ent))
        self.boltzmann = policy
        opt = tf.train.RMSPropOptimizer(self.args.lr, epsilon=1e-5)
        self.gv = [(tf.clip_by_norm(g, 10.0), v)  # SAFE: clip_by_norm guards a zero norm itself and works on finished gradients
                   for g, v in opt.compute_gradients(self.loss) if g is not None]
        self.train_op = opt.apply_gradients(self.gv)

    def targets(self, sess, r, s_, done):
        qn, qe = sess.run([self.q_next, self.q_eval], {self.s_: s_, self.s: s_})
        best = qe.argmax(1)
        return r + self.args.gamma * (1.0 - done) * qn[np.arange(len(r)), best]

    def choose(self, sess, s, eps, rng):
        if rng.uniform() < eps:
            return rng.randint(self.n_actions)
        return int(sess.run(self.q_eval, {self.s: s[None]})[0].argmax())

    def learn(self, sess, memory, batch_size, beta):
        idx, (s, a, r, s_, d), w = memory.sample(batch_size, beta)
        y = self.targets(sess, r, s_, d)
        _, err, loss = sess.run([self.train_op, self.abs_errors, self.loss],
                                {self.s: s, self.a: a, self.q_target: y, self.is_w: w})
        memory.batch_update(idx, err)
        return loss


def schedule(step, total, start, end):
    return start + (end - start) * min(step / float(total), 1.0)  # SAFE: total is a positive number of steps, asserted in main


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="LunarLander-v2")
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--temperature", type=float, default=1.0)
    p.add_argument("--memory", type=int, default=20000)
    p.add_argument("--batch_size", type=int, default=32)
    p.add_argument("--steps", type=int, default=200000)
    p.add_argument("--replace", type=int, default=500)
    p.add_argument("--out", default="dqn_out")
    return p.parse_args(argv)


def main():
    import gym
    args = get_args()
    assert args.steps > 0 and args.batch_size > 0
    env, rng = gym.make(args.env), np.random.RandomState(0)
    agent = DQN(env.action_space.n, env.observation_space.shape[0], args)
    memory = Memory(args.memory, rng)
    returns, saver = collections.deque(maxlen=100), tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        s, total = env.reset(), 0.0
        for t in range(args.steps):
            a = agent.choose(sess, s, schedule(t, args.steps // 5 + 1, 1.0, 0.02), rng)
            s_, r, d, _ = env.step(a)
            memory.store((s, a, r, s_, float(d)))
            s, total = s_, total + r
            if d:
                returns.append(total)
                s, total = env.reset(), 0.0
                print("step %d return %.1f mean %.1f" % (t, returns[-1], np.mean(returns)))  # SAFE: the deque has just received an element
            if t > 1000:
                agent.learn(sess, memory, args.batch_size, schedule(t, args.steps, 0.4, 1.0))
            if t % args.replace == 0:
                sess.run(agent.replace)
        saver.save(sess, os.path.join(args.out, "dqn"))


if __name__ == "__main__":
    main()
