import os
import threading

import numpy as np
import tensorflow as tf

import config
from losses import A3CLoss, apply_to_global, make_optimizer
from network import ActorCriticNetwork


def choose_action(rng, pi):
    pi = np.asarray(pi, np.float64)
    return rng.choice(len(pi), p=pi / pi.sum())  # SAFE: softmax probabilities sum to about one


def discount(rewards, bootstrap, gamma):
    out, run = np.zeros(len(rewards), np.float32), bootstrap
    for i in reversed(range(len(rewards))):
        run = rewards[i] + gamma * run
        out[i] = run
    return out


def normalize(adv):
    return (adv - adv.mean()) / (adv.std() + 1e-8)  # SAFE: epsilon keeps the divisor positive when all advantages are equal


class Worker(object):

    def __init__(self, index, env_fn, global_net, optimizer, global_t):
        self.index = index
        self.env = env_fn()
        self.rng = np.random.RandomState(index)
        self.net = ActorCriticNetwork("worker_%d" % index, config.STATE_SHAPE, config.ACTION_SIZE)
        self.loss = A3CLoss(self.net)
        self.sync = self.net.sync_from(global_net)
        self.apply_op, self.grad_norm = apply_to_global(optimizer, self.loss, global_net)
        self.inc = tf.assign_add(global_t, config.LOCAL_T_MAX)
        self.state = self.env.reset()
        self.episode_reward = 0.0

    def rollout(self, sess):
        states, actions, rewards, values = [], [], [], []
        done = False
        for _ in range(config.LOCAL_T_MAX):
            pi, v = self.net.run_policy_and_value(sess, self.state)
            a = choose_action(self.rng, pi)
            nxt, r, done, _ = self.env.step(a)
            states.append(self.state)
            actions.append(a)
            rewards.append(np.clip(r, -1, 1))
            values.append(v)
            self.episode_reward += r
            self.state = nxt
            if done:
                print("worker %d score %.1f" % (self.index, self.episode_reward))
                self.episode_reward = 0.0
                self.state = self.env.reset()
                break
        boot = 0.0 if done else self.net.run_value(sess, self.state)
        returns = discount(rewards, boot, config.GAMMA)
        return states, actions, returns, normalize(returns - np.array(values))

    def process(self, sess):
        sess.run(self.sync)
        states, actions, returns, adv = self.rollout(sess)
        onehot = np.eye(config.ACTION_SIZE, dtype=np.float32)[actions]
        sess.run([self.apply_op, self.inc],
                 feed_dict={self.net.s: states, self.loss.a: onehot,
                            self.loss.td: adv, self.loss.r: returns})


def run(env_fn):
    global_t = tf.Variable(0, trainable=False, dtype=tf.int64)
    global_net = ActorCriticNetwork("global", config.STATE_SHAPE, config.ACTION_SIZE)
    optimizer = make_optimizer(global_t)
    workers = [Worker(i, env_fn, global_net, optimizer, global_t)
               for i in range(config.NUM_WORKERS)]
    saver = tf.train.Saver(global_net.vars)
    coord = tf.train.Coordinator()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())

        def loop(w):
            while not coord.should_stop() and sess.run(global_t) < config.MAX_TIME_STEP:
                w.process(sess)

        threads = [threading.Thread(target=loop, args=(w,)) for w in workers]
        for t in threads:
            t.start()
        coord.join(threads)
        saver.save(sess, os.path.join(config.CHECKPOINT_DIR, "a3c"))


if __name__ == "__main__":
    import gym
    run(lambda: gym.make(config.ENV_NAME))
