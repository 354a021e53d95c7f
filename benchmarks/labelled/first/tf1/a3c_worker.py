"""A3C with threads (discrete actions). The global network is updated from the workers."""
import multiprocessing
import threading

import gym
import numpy as np
import scipy.signal
import tensorflow as tf

GAME = 'CartPole-v0'
MAX_EP = 2000
N_WORKERS = multiprocessing.cpu_count()
GLOBAL = 'Global_Net'
UPDATE_ITER = 10
GAMMA = 0.9
LAMBDA = 1.0
ENTROPY_BETA = 0.001
LR_A = 1e-3
LR_C = 1e-3
GLOBAL_R = []
GLOBAL_EP = 0

_env = gym.make(GAME)
N_S = _env.observation_space.shape[0]
N_A = _env.action_space.n


def norm_col_init(std=1.0):
    def _init(shape, dtype=None, partition_info=None):
        out = np.random.randn(*shape).astype(np.float32)
        out *= std / np.sqrt(np.square(out).sum(axis=0, keepdims=True))  # SAFE: gaussian columns, norm > 0
        return tf.constant(out)
    return _init


def discount(x, gamma):
    return scipy.signal.lfilter([1], [1, -gamma], x[::-1], axis=0)[::-1]


class ACNet(object):
    def __init__(self, scope, opt_a=None, opt_c=None, globalAC=None):
        self.scope = scope
        if scope == GLOBAL:
            with tf.variable_scope(scope):
                self.s = tf.placeholder(tf.float32, [None, N_S], 'S')
                self.a_params, self.c_params = self._build_net(scope)[-2:]
        else:
            with tf.variable_scope(scope):
                self.s = tf.placeholder(tf.float32, [None, N_S], 'S')
                self.a_his = tf.placeholder(tf.int32, [None], 'A')
                self.v_target = tf.placeholder(tf.float32, [None, 1], 'Vtarget')
                self.a_prob, self.v, self.a_params, self.c_params = self._build_net(scope)
                self._losses()
                self._sync(opt_a, opt_c, globalAC)

    def _build_net(self, scope):
        w_init = tf.random_normal_initializer(0., .1)
        with tf.variable_scope('actor'):
            l_a = tf.layers.dense(self.s, 200, tf.nn.relu6, kernel_initializer=w_init, name='la')
            a_prob = tf.layers.dense(l_a, N_A, tf.nn.softmax, kernel_initializer=norm_col_init(0.01), name='ap')
        with tf.variable_scope('critic'):
            l_c = tf.layers.dense(self.s, 100, tf.nn.relu6, kernel_initializer=w_init, name='lc')
            v = tf.layers.dense(l_c, 1, kernel_initializer=w_init, name='v')
        a_params = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=scope + '/actor')
        c_params = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=scope + '/critic')
        return a_prob, v, a_params, c_params

    def _losses(self):
        td = tf.subtract(self.v_target, self.v, name='TD_error')
        with tf.name_scope('c_loss'):
            self.c_loss = tf.reduce_mean(tf.square(td))
        with tf.name_scope('a_loss'):
            chosen = tf.reduce_sum(self.a_prob * tf.one_hot(self.a_his, N_A, dtype=tf.float32), axis=1, keep_dims=True)
            log_prob = tf.log(tf.clip_by_value(chosen, 1e-20, 1.0))  # SAFE: lower bound 1e-20 is a normal float32
            exp_v = log_prob * tf.stop_gradient(td)
            entropy = -tf.reduce_sum(self.a_prob * tf.log(self.a_prob), axis=1, keep_dims=True)  # BUG: zero-log-zero, saturated policy has a probability 0 -> 0 * -inf
            self.a_loss = tf.reduce_mean(-(ENTROPY_BETA * entropy + exp_v))
        with tf.name_scope('monitor'):
            adv_mean, adv_var = tf.nn.moments(td, [0, 1])
            self.explained = 1. - adv_var / (tf.nn.moments(self.v_target, [0, 1])[1] + 1e-8)  # SAFE: monitor only, epsilon
        with tf.name_scope('local_grad'):
            self.a_grads, self.a_gn = tf.clip_by_global_norm(tf.gradients(self.a_loss, self.a_params), 40.0)  # SAFE: library clip
            self.c_grads, self.c_gn = tf.clip_by_global_norm(tf.gradients(self.c_loss, self.c_params), 40.0)  # SAFE: library clip

    def _sync(self, opt_a, opt_c, g):
        self.pull = [l.assign(p) for l, p in zip(self.a_params + self.c_params, g.a_params + g.c_params)]
        self.push = [opt_a.apply_gradients(zip(self.a_grads, g.a_params)),
                     opt_c.apply_gradients(zip(self.c_grads, g.c_params))]

    def update(self, sess, feed):
        sess.run(self.push, feed)

    def choose_action(self, sess, s):
        p = sess.run(self.a_prob, {self.s: s[None, :]}).ravel()
        return np.random.choice(len(p), p=p / p.sum())  # SAFE: softmax output


class Worker(object):
    def __init__(self, name, globalAC, opt_a, opt_c, sess, coord):
        self.env = gym.make(GAME).unwrapped
        self.name = name
        self.ac = ACNet(name, opt_a, opt_c, globalAC)
        self.sess = sess
        self.coord = coord

    def work(self):
        global GLOBAL_EP
        total = 1
        bs, ba, br = [], [], []
        while not self.coord.should_stop() and GLOBAL_EP < MAX_EP:
            s = self.env.reset()
            ep_r = 0.
            while True:
                a = self.ac.choose_action(self.sess, s)
                s_, r, done, _ = self.env.step(a)
                if done:
                    r = -5
                ep_r += r
                bs.append(s)
                ba.append(a)
                br.append(r)
                if total % UPDATE_ITER == 0 or done:
                    last = 0. if done else self.sess.run(self.ac.v, {self.ac.s: s_[None, :]})[0, 0]
                    ret = discount(np.array(br + [last]), GAMMA)[:-1]
                    self.ac.update(self.sess, {self.ac.s: np.vstack(bs), self.ac.a_his: np.array(ba),
                                               self.ac.v_target: ret[:, None]})
                    bs, ba, br = [], [], []
                    self.sess.run(self.ac.pull)
                s = s_
                total += 1
                if done or ep_r > 1000:
                    GLOBAL_R.append(ep_r if not GLOBAL_R else 0.99 * GLOBAL_R[-1] + 0.01 * ep_r)
                    GLOBAL_EP += 1
                    break


if __name__ == '__main__':
    sess = tf.Session()
    coord = tf.train.Coordinator()
    with tf.device('/cpu:0'):
        oa = tf.train.RMSPropOptimizer(LR_A, name='RMSPropA')
        oc = tf.train.RMSPropOptimizer(LR_C, name='RMSPropC')
        g = ACNet(GLOBAL)
        workers = [Worker('W_%i' % i, g, oa, oc, sess, coord) for i in range(N_WORKERS)]
    sess.run(tf.global_variables_initializer())
    ts = [threading.Thread(target=w.work) for w in workers]
    for t in ts:
        t.start()
    coord.join(ts)
