# Advantage actor critic (synchronous), TensorFlow 1 style.
import argparse
import collections

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

Rollout = collections.namedtuple("Rollout", "obs act ret mask")


class CorridorEnv(object):
    """Walk to the goal in a corridor with doors; some actions are not allowed in some cells."""

    n_actions = 4

    def __init__(self, length=12, seed=0):
        self.length = length
        self.rng = np.random.RandomState(seed)
        self.doors = self.rng.rand(length) < 0.3

    def reset(self):
        self.pos, self.t = 0, 0
        return self.observe()

    def observe(self):
        x = np.zeros(self.length + 1, np.float32)
        x[self.pos] = 1.0
        x[-1] = self.t / 100.0
        return x

    def allowed(self):
        m = np.ones(self.n_actions, np.float32)
        if self.pos == 0:
            m[0] = 0.0
        if not self.doors[self.pos]:
            m[2] = 0.0
        return m

    def step(self, a):
        self.t += 1
        if a == 0:
            self.pos = max(0, self.pos - 1)
        elif a == 1 and not self.doors[self.pos]:
            self.pos += 1
        elif a == 2:
            self.pos += 1
        done = self.pos >= self.length - 1 or self.t >= 100
        self.pos = min(self.pos, self.length - 1)
        return self.observe(), (1.0 if self.pos == self.length - 1 else -0.01), done


def fc(x, n, name, scale=1.0, act=None):
    with tf.variable_scope(name):
        w = tf.get_variable("w", [int(x.shape[1]), n], initializer=tf.orthogonal_initializer(scale))
        b = tf.get_variable("b", [n], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
        return y if act is None else act(y)


class Agent(object):
    def __init__(self, n_obs, n_act, lr=7e-4, ent_coef=0.01, vf_coef=0.5, max_norm=0.5):
        self.obs = tf.placeholder(tf.float32, [None, n_obs])
        self.act = tf.placeholder(tf.int32, [None])
        self.ret = tf.placeholder(tf.float32, [None])
        self.mask = tf.placeholder(tf.float32, [None, n_act])
        h = fc(self.obs, 64, "h1", np.sqrt(2), tf.nn.relu)
        h = fc(h, 64, "h2", np.sqrt(2), tf.nn.relu)
        self.logits = fc(h, n_act, "pi", 0.01) + (1.0 - self.mask) * -1e9
        self.value = fc(h, 1, "v")[:, 0]
        self.pi = tf.nn.softmax(self.logits)
        self.adv = tf.stop_gradient(self.standardise(self.ret - self.value))
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.act, logits=self.logits)  # SAFE: fused loss, the taken action is always allowed
        self.pg_loss = tf.reduce_mean(self.adv * nll)
        self.vf_loss = tf.reduce_mean(tf.square(self.ret - self.value))
        self.entropy = tf.reduce_mean(self.policy_entropy(self.pi))
        self.loss = self.pg_loss + vf_coef * self.vf_loss - ent_coef * self.entropy
        params = tf.trainable_variables()
        grads, self.gnorm = tf.clip_by_global_norm(tf.gradients(self.loss, params), max_norm)
        self.train = tf.train.RMSPropOptimizer(lr, decay=0.99, epsilon=1e-5).apply_gradients(zip(grads, params))  # SAFE: RMSProp with epsilon 1e-5 under the root
        self.ev = self.explained_variance()

    @staticmethod
    def standardise(a):
        mean, var = tf.nn.moments(a, [0])
        return (a - mean) / (tf.sqrt(var) + 1e-8)  # SAFE: behind stop_gradient, with zero variance the numerator is zero too

    @staticmethod
    def policy_entropy(p):
        return -tf.reduce_sum(p * tf.log(p), axis=1)  # BUG: zero-log-zero, masked actions have probability exactly 0

    def explained_variance(self):
        _, vy = tf.nn.moments(self.ret, [0])
        _, ve = tf.nn.moments(self.ret - self.value, [0])
        return 1.0 - ve / tf.maximum(vy, 1e-6)  # SAFE: floored, only logged

    def sample(self, sess, obs, mask, rng):
        p = sess.run(self.pi, {self.obs: obs[None], self.mask: mask[None]})[0].astype(np.float64)
        p /= p.sum()  # SAFE: softmax output sums to one
        return rng.choice(len(p), p=p)


def collect(env, agent, sess, rng, steps, gamma):
    obs, acts, rews, dones, masks = [], [], [], [], []
    o = env.reset() if not hasattr(env, "pos") else env.observe()
    for _ in range(steps):
        m = env.allowed()
        a = agent.sample(sess, o, m, rng)
        obs.append(o), acts.append(a), masks.append(m)
        o, r, d = env.step(a)
        rews.append(r), dones.append(d)
        if d:
            o = env.reset()
    boot = sess.run(agent.value, {agent.obs: o[None]})[0]
    ret = np.zeros(steps, np.float32)
    for t in reversed(range(steps)):
        boot = rews[t] + gamma * boot * (1.0 - dones[t])
        ret[t] = boot
    return Rollout(np.array(obs), np.array(acts), ret, np.array(masks))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--updates", type=int, default=2000)
    ap.add_argument("--steps", type=int, default=32)
    ap.add_argument("--gamma", type=float, default=0.99)
    args = ap.parse_args()
    rng = np.random.RandomState(0)
    env = CorridorEnv()
    agent = Agent(env.length + 1, env.n_actions)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for u in range(args.updates):
            r = collect(env, agent, sess, rng, args.steps, args.gamma)
            feed = {agent.obs: r.obs, agent.act: r.act, agent.ret: r.ret, agent.mask: r.mask}
            _, ent, ev = sess.run([agent.train, agent.entropy, agent.ev], feed)
            if u % 100 == 0:
                print("update %d return %.3f entropy %.3f ev %.3f" % (u, r.ret.mean(), ent, ev))


if __name__ == "__main__":
    main()
