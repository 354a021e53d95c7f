"""Soft actor critic, squashed gaussian policy (Pendulum)."""
import gym
import numpy as np
import tensorflow as tf

LOG_STD_MAX = 2
LOG_STD_MIN = -20
EPS = 1e-8


def mlp(x, sizes, activation=tf.nn.relu, output_activation=None):
    for h in sizes[:-1]:
        x = tf.layers.dense(x, h, activation=activation)
    return tf.layers.dense(x, sizes[-1], activation=output_activation)


def gaussian_likelihood(x, mu, log_std):
    pre = -0.5 * (((x - mu) / (tf.exp(log_std) + EPS)) ** 2 + 2 * log_std + np.log(2 * np.pi))  # SAFE: log_std is clipped to -20..2 in the policy, EPS besides
    return tf.reduce_sum(pre, axis=1)


def get_vars(scope):
    return [v for v in tf.global_variables() if scope in v.name]


class ReplayBuffer(object):
    def __init__(self, o, a, size):
        self.o = np.zeros([size, o], np.float32)
        self.o2 = np.zeros([size, o], np.float32)
        self.a = np.zeros([size, a], np.float32)
        self.r = np.zeros(size, np.float32)
        self.d = np.zeros(size, np.float32)
        self.ptr, self.size, self.max = 0, 0, size

    def store(self, o, a, r, o2, d):
        i = self.ptr
        self.o[i], self.a[i], self.r[i], self.o2[i], self.d[i] = o, a, r, o2, d
        self.ptr = (i + 1) % self.max
        self.size = min(self.size + 1, self.max)

    def sample(self, n=100):
        j = np.random.randint(0, self.size, n)
        return self.o[j], self.a[j], self.r[j], self.o2[j], self.d[j]


class SAC(object):
    def __init__(self, o_dim, a_dim, a_lim, alpha=0.2, gamma=0.99, polyak=0.995, lr=1e-3, hid=(256, 256)):
        self.a_lim = a_lim
        self.o = tf.placeholder(tf.float32, [None, o_dim])
        self.o2 = tf.placeholder(tf.float32, [None, o_dim])
        self.a = tf.placeholder(tf.float32, [None, a_dim])
        self.r = tf.placeholder(tf.float32, [None])
        self.d = tf.placeholder(tf.float32, [None])
        with tf.variable_scope('main'):
            with tf.variable_scope('pi'):
                self.mu, self.pi, self.logp_pi = self.policy(self.o, a_dim, hid)
            q1 = self.critic('q1', self.o, self.a, hid)
            q2 = self.critic('q2', self.o, self.a, hid)
            q1_pi = self.critic('q1', self.o, self.pi, hid, True)
            q2_pi = self.critic('q2', self.o, self.pi, hid, True)
            with tf.variable_scope('v'):
                v = tf.squeeze(mlp(self.o, list(hid) + [1]), 1)
        with tf.variable_scope('target'):
            with tf.variable_scope('v'):
                v_targ = tf.squeeze(mlp(self.o2, list(hid) + [1]), 1)

        min_q = tf.minimum(q1_pi, q2_pi)
        q_backup = tf.stop_gradient(self.r + gamma * (1 - self.d) * v_targ)
        v_backup = tf.stop_gradient(min_q - alpha * self.logp_pi)
        self.pi_loss = tf.reduce_mean(alpha * self.logp_pi - q1_pi)
        self.q_loss = 0.5 * tf.reduce_mean((q_backup - q1) ** 2) + 0.5 * tf.reduce_mean((q_backup - q2) ** 2)  # SAFE: squares
        self.v_loss = 0.5 * tf.reduce_mean((v_backup - v) ** 2)  # SAFE: square
        pi_opt = tf.train.AdamOptimizer(lr)
        train_pi = pi_opt.minimize(self.pi_loss, var_list=get_vars('main/pi'))
        with tf.control_dependencies([train_pi]):
            train_v = tf.train.AdamOptimizer(lr).minimize(
                self.q_loss + self.v_loss, var_list=get_vars('main/q') + get_vars('main/v'))
        with tf.control_dependencies([train_v]):
            self.step = tf.group([tf.assign(t, polyak * t + (1 - polyak) * m)
                                  for m, t in zip(get_vars('main/v'), get_vars('target/v'))])
        self.init_target = tf.group([tf.assign(t, m) for m, t in zip(get_vars('main/v'), get_vars('target/v'))])

    def critic(self, name, o, a, hid, reuse=False):
        with tf.variable_scope(name, reuse=reuse):
            return tf.squeeze(mlp(tf.concat([o, a], -1), list(hid) + [1]), 1)

    def policy(self, o, a_dim, hid):
        net = mlp(o, hid, tf.nn.relu, tf.nn.relu)
        mu = tf.layers.dense(net, a_dim)
        log_std = tf.layers.dense(net, a_dim)
        log_std = tf.clip_by_value(log_std, LOG_STD_MIN, LOG_STD_MAX)
        std = tf.exp(log_std)  # SAFE: clipped to -20..2
        u = mu + tf.random_normal(tf.shape(mu)) * std
        logp = gaussian_likelihood(u, mu, log_std)
        return self.squash(mu, u, logp)

    def squash(self, mu, u, logp):
        mu = tf.tanh(mu)
        pi = tf.tanh(u)
        # change of variables
        logp -= tf.reduce_sum(tf.log(1 - pi ** 2), axis=1)  # BUG: log-zero, |u| > 9.1 makes tanh exactly 1 in float32
        return mu * self.a_lim, pi * self.a_lim, logp


class Normalizer(object):
    """observation scaling"""

    def __init__(self, dim, min_var=1e-4):
        self.n, self.mean, self.sq = 0, np.zeros(dim), np.zeros(dim)
        self.min_var = min_var

    def __call__(self, o):
        self.n += 1
        self.mean += (o - self.mean) / self.n  # SAFE: n >= 1
        self.sq += (o ** 2 - self.sq) / self.n  # SAFE: n >= 1
        var = np.maximum(self.sq - self.mean ** 2, self.min_var)
        return (o - self.mean) / np.sqrt(var)  # SAFE: maximum with min_var


def main():
    env = gym.make('Pendulum-v0')
    o_dim, a_dim = env.observation_space.shape[0], env.action_space.shape[0]
    agent = SAC(o_dim, a_dim, env.action_space.high[0])
    buf = ReplayBuffer(o_dim, a_dim, int(1e5))
    norm = Normalizer(o_dim)
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    sess.run(agent.init_target)
    o, ep_ret, ep_len = norm(env.reset()), 0, 0
    for t in range(100000):
        a = env.action_space.sample() if t < 5000 else sess.run(agent.pi, {agent.o: o[None]})[0]
        o2, r, d, _ = env.step(a)
        o2 = norm(o2)
        ep_ret += r
        ep_len += 1
        buf.store(o, a, r, o2, 0. if ep_len == 200 else float(d))
        o = o2
        if d or ep_len == 200:
            print(t, 'return %.1f mean reward %.3f' % (ep_ret, ep_ret / ep_len))  # SAFE: at least one step
            o, ep_ret, ep_len = norm(env.reset()), 0, 0
        if t > 1000:
            bo, ba, br, bo2, bd = buf.sample()
            sess.run(agent.step, {agent.o: bo, agent.a: ba, agent.r: br, agent.o2: bo2, agent.d: bd})


if __name__ == '__main__':
    main()
