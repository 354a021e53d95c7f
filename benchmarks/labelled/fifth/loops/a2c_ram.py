'''
A2C on Atari RAM observations (128 bytes). gym is only imported when training starts.
Based on the lecture notebook, turned into a script.
'''
import argparse
import collections
import os
import sys

import numpy as np
import tensorflow as tf

NUM_ENVS = 8
N_STEPS = 5
GAMMA = 0.99
VALUE_COEF = 0.5
ENTROPY_COEF = 0.01
MAX_GRAD_NORM = 0.5


class SyntheticRam:
    """Stands in for an Atari environment in tests."""

    class Space:
        n = 6

    action_space = Space()

    def __init__(self, seed=0):
        self.rng = np.random.RandomState(seed)

    def reset(self):
        self.ram = self.rng.randint(0, 256, 128).astype(np.uint8)
        return self.ram

    def step(self, a):
        self.ram = np.roll(self.ram, a)
        r = float(self.ram[0] > 200) - float(self.ram[0] < 50)
        return self.ram, r, self.rng.rand() < 0.02, {}


class ClipReward:
    def __init__(self, env):
        self.env = env
        self.action_space = env.action_space
        self.total = 0.0
        self.finished = collections.deque(maxlen=100)

    def reset(self):
        self.total = 0.0
        return self.env.reset()

    def step(self, a):
        o, r, d, info = self.env.step(a)
        self.total += r
        if d:
            self.finished.append(self.total)
            o = self.reset()
        return o, float(np.sign(r)), d


def preprocess(ram):
    return ram.astype(np.float32) / 255.0  # SAFE: constant divisor, bytes become [0, 1]


class Model(tf.keras.Model):
    def __init__(self, n_actions):
        super(Model, self).__init__(name='mlp_policy')
        ortho = tf.keras.initializers.Orthogonal
        self.d1 = tf.keras.layers.Dense(256, activation='relu', kernel_initializer=ortho(np.sqrt(2)))
        self.d2 = tf.keras.layers.Dense(256, activation='relu', kernel_initializer=ortho(np.sqrt(2)))
        self.value = tf.keras.layers.Dense(1)
        self.logits = tf.keras.layers.Dense(n_actions, kernel_initializer=ortho(1.0))

    def call(self, x):
        h = self.d2(self.d1(x))
        return self.logits(h), tf.squeeze(self.value(h), -1)

    def action_value(self, obs):
        logits, v = self(obs)
        a = tf.random.categorical(logits, 1)
        return tf.squeeze(a, -1).numpy(), v.numpy()


class A2C:
    def __init__(self, model, lr=7e-4):
        self.model = model
        self.opt = tf.keras.optimizers.RMSprop(lr, rho=0.99, epsilon=1e-5)

    def returns(self, rewards, dones, last):
        out = np.zeros_like(rewards)
        run = last
        for t in reversed(range(len(rewards))):
            run = rewards[t] + GAMMA * run * (1 - dones[t])
            out[t] = run
        return out

    def policy_terms(self, logits, actions, adv):
        probs = tf.nn.softmax(logits)
        logp = tf.math.log(probs)  # BUG: log-softmax, a confident policy has logits about 90 or more apart, the probability rounds to 0, log gives -inf and the entropy 0 * -inf
        chosen = tf.reduce_sum(logp * tf.one_hot(actions, logits.shape[-1]), -1)
        entropy = -tf.reduce_sum(probs * logp, -1)
        return -tf.reduce_mean(chosen * adv), tf.reduce_mean(entropy)

    @tf.function
    def train(self, obs, actions, ret):
        with tf.GradientTape() as tape:
            logits, v = self.model(obs)
            adv = tf.stop_gradient(ret - v)
            pg, ent = self.policy_terms(logits, actions, adv)
            vl = tf.reduce_mean(tf.square(ret - v))
            loss = pg + VALUE_COEF * vl - ENTROPY_COEF * ent
        var = self.model.trainable_variables
        g, n = tf.clip_by_global_norm(tape.gradient(loss, var), MAX_GRAD_NORM)
        self.opt.apply_gradients(zip(g, var))
        return pg, vl, ent, n

    def kl_to_uniform(self, logits):
        lp = tf.nn.log_softmax(logits)  # SAFE: stable primitive, finite for finite logits
        k = float(logits.shape[-1])
        return float(tf.reduce_mean(tf.reduce_sum(tf.exp(lp) * (lp + np.log(k)), -1)))  # SAFE: exponent <= 0, number of actions is positive


def rollout(envs, obs, model):
    O, A, R, D = [], [], [], []
    for _ in range(N_STEPS):
        x = preprocess(obs)
        a, _ = model.action_value(x)
        res = [e.step(int(k)) for e, k in zip(envs, a)]
        O.append(x)
        A.append(a)
        R.append([r[1] for r in res])
        D.append([r[2] for r in res])
        obs = np.stack([r[0] for r in res])
    return obs, np.array(O), np.array(A), np.array(R, np.float32), np.array(D, np.float32)


def summary(envs):
    ep = [x for e in envs for x in e.finished]
    return sum(ep) / len(ep) if ep else float('nan')  # SAFE: the empty list is tested, printed only


def main(argv):
    p = argparse.ArgumentParser()
    p.add_argument('--env', default='Pong-ram-v4')
    p.add_argument('--updates', type=int, default=100000)
    p.add_argument('--save', default='a2c_weights')
    args = p.parse_args(argv)
    import gym
    envs = [ClipReward(gym.make(args.env)) for _ in range(NUM_ENVS)]
    agent = A2C(Model(envs[0].action_space.n))
    obs = np.stack([e.reset() for e in envs])
    for u in range(args.updates):
        obs, O, A, R, D = rollout(envs, obs, agent.model)
        _, last = agent.model.action_value(preprocess(obs))
        ret = agent.returns(R, D, last)
        out = agent.train(O.reshape(-1, 128), A.reshape(-1), ret.reshape(-1))
        if u % 500 == 0:
            fps = u * N_STEPS * NUM_ENVS / max(u, 1)  # SAFE: floored at 1
            print('%d frames/upd %.0f  pg %.3f  v %.3f  ent %.3f  |g| %.2f' % ((u, fps) + tuple(float(x) for x in out)), 'return', summary(envs))
    agent.model.save_weights(os.path.join(args.save, 'w.weights.h5'))


if __name__ == '__main__':
    main(sys.argv[1:])
