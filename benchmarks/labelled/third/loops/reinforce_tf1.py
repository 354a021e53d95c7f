"""Vanilla policy gradient, CartPole / LunarLander, TF 1.x graph mode."""
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

parser = argparse.ArgumentParser()
parser.add_argument('--env', type=str, default='CartPole-v1')
parser.add_argument('--lr', type=float, default=5e-3)
parser.add_argument('--gamma', type=float, default=0.99)
parser.add_argument('--eps', type=float, default=0.05, help='random actions')
parser.add_argument('--episodes', type=int, default=2000)
parser.add_argument('--ckpt', type=str, default='./ckpt_pg')


def fc(x, n_out, scope, act=None):
    with tf.variable_scope(scope):
        n_in = x.get_shape().as_list()[-1]
        w = tf.get_variable('w', [n_in, n_out],
                            initializer=tf.glorot_uniform_initializer())
        b = tf.get_variable('b', [n_out], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
        return act(y) if act is not None else y


class PolicyGradient(object):
    def __init__(self, n_obs, n_act, lr, ent_coef=0.01):
        self.n_act = n_act
        self.obs = tf.placeholder(tf.float32, [None, n_obs], 'obs')
        self.act = tf.placeholder(tf.int32, [None], 'act')
        self.ret = tf.placeholder(tf.float32, [None], 'ret')
        h = fc(self.obs, 64, 'fc1', tf.nn.relu)
        h = fc(h, 64, 'fc2', tf.nn.relu)
        self.probs = tf.nn.softmax(fc(h, n_act, 'pi'))
        self.value = tf.squeeze(fc(h, 1, 'v'), 1)

        onehot = tf.one_hot(self.act, n_act)
        p_taken = tf.reduce_sum(self.probs * onehot, axis=1)
        logp = tf.log(p_taken)  # BUG: log-softmax, the softmax underflows to 0 when logits are more than 104 apart
        adv = self.ret - tf.stop_gradient(self.value)
        self.pi_loss = -tf.reduce_mean(logp * adv)
        entropy = -tf.reduce_sum(self.probs * tf.log(tf.clip_by_value(self.probs, 1e-8, 1.0)), axis=1)  # SAFE: clipped from below before the log
        self.entropy = tf.reduce_mean(entropy)
        self.v_loss = tf.reduce_mean(tf.square(self.ret - self.value))
        self.loss = self.pi_loss + 0.5 * self.v_loss - ent_coef * self.entropy
        opt = tf.train.AdamOptimizer(lr)
        gv = opt.compute_gradients(self.loss)
        self.train_op = opt.apply_gradients(gv)

    def choose(self, sess, o, eps=0.0):
        if np.random.rand() < eps:
            return np.random.randint(self.n_act)
        p = sess.run(self.probs, {self.obs: o[None]})[0].astype(np.float64)
        p /= p.sum()  # SAFE: softmax output, sums to 1
        return np.random.choice(self.n_act, p=p)


def discount(rews, gamma):
    out = np.zeros(len(rews), np.float32)
    acc = 0.0
    for i in reversed(range(len(rews))):
        acc = rews[i] + gamma * acc
        out[i] = acc
    return out


def normalise(x):
    x = x - np.mean(x)
    std = np.std(x)
    if std > 1e-6:
        x = x / std  # SAFE: only when std > 1e-6
    return x


def run_episode(env, agent, sess, eps):
    obs, acts, rews = [], [], []
    o, done = env.reset(), False
    while not done:
        a = agent.choose(sess, np.asarray(o), eps)
        obs.append(o)
        acts.append(a)
        o, r, done, _ = env.step(a)
        rews.append(r)
    return np.array(obs), np.array(acts), rews


def main(args):
    import gym
    env = gym.make(args.env)
    agent = PolicyGradient(env.observation_space.shape[0], env.action_space.n, args.lr)
    saver = tf.train.Saver()
    history = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(args.episodes):
            obs, acts, rews = run_episode(env, agent, sess, args.eps)
            ret = normalise(discount(rews, args.gamma))
            loss, ent, _ = sess.run([agent.loss, agent.entropy, agent.train_op],
                                    {agent.obs: obs, agent.act: acts, agent.ret: ret})
            history.append(sum(rews))
            if ep % 20 == 0:
                avg = sum(history[-100:]) / len(history[-100:])  # SAFE: an episode was appended before
                print('ep %d  avg100 %.1f  loss %.4f  H %.3f' % (ep, avg, loss, ent))
            if ep % 200 == 0:
                saver.save(sess, os.path.join(args.ckpt, 'pg'), ep)


if __name__ == '__main__':
    main(parser.parse_args())
