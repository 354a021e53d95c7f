"""Categorical DQN (C51) with n-step returns and prioritised sampling."""
import argparse
import collections
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class NoisyDense(layers.Layer):
    def __init__(self, units, sigma=0.5, **kw):
        super().__init__(**kw)
        self.units, self.sigma = units, sigma

    def build(self, shape):
        n = shape[-1]
        r = 1.0 / np.sqrt(n)  # SAFE: number of inputs is a positive integer
        self.w = self.add_weight(name="w", shape=(n, self.units), initializer=tf.keras.initializers.RandomUniform(-r, r))
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.sw = self.add_weight(name="sw", shape=(n, self.units), initializer=tf.keras.initializers.Constant(self.sigma * r))

    @staticmethod
    def f(x):
        return tf.sign(x) * tf.sqrt(tf.abs(x))  # SAFE: applied to sampled noise, not to anything trainable

    def call(self, x, training=False):
        w = self.w
        if training:
            w = w + self.sw * self.f(tf.random.normal([x.shape[-1], 1])) * self.f(tf.random.normal([1, self.units]))
        return tf.matmul(x, w) + self.b


class C51(tf.keras.Model):
    def __init__(self, n_act, atoms=51, vmin=-10.0, vmax=10.0):
        super().__init__()
        self.n_act, self.atoms, self.vmin, self.vmax = n_act, atoms, vmin, vmax
        self.dz = (vmax - vmin) / (atoms - 1)  # SAFE: 51 atoms by default, the divisor is 50
        self.support = tf.linspace(vmin, vmax, atoms)
        self.h = layers.Dense(128, activation="relu")
        self.adv, self.val = NoisyDense(n_act * atoms), NoisyDense(atoms)

    def logits(self, s, training=False):
        h = self.h(s)
        a = tf.reshape(self.adv(h, training=training), [-1, self.n_act, self.atoms])
        v = self.val(h, training=training)[:, None]
        return v + a - tf.reduce_mean(a, 1, keepdims=True)

    def call(self, s):
        return tf.reduce_sum(tf.nn.softmax(self.logits(s)) * self.support, -1)

    def project(self, r, done, gamma, prob):
        tz = tf.clip_by_value(r[:, None] + gamma * (1.0 - done[:, None]) * self.support, self.vmin, self.vmax)
        b = (tz - self.vmin) / self.dz  # SAFE: dz is the positive constant 0.4
        w = tf.clip_by_value(1.0 - tf.abs(b[:, None] - tf.range(self.atoms, dtype=tf.float32)[None, :, None]), 0.0, 1.0)
        return tf.reduce_sum(w * prob[:, None], -1)


def categorical_loss(target, logits):
    logp = logits - tf.reduce_logsumexp(logits, -1, keepdims=True)  # SAFE: logsumexp subtracts the maximum
    return -tf.reduce_sum(target * logp, -1)


def kl_priority(target, logits):
    p = tf.nn.softmax(logits)
    t = tf.clip_by_value(target, 1e-6, 1.0)
    q = tf.clip_by_value(p, 1e-6, 1.0)
    return tf.reduce_sum(t * tf.math.log(t / q), -1)  # SAFE: both distributions clipped to [1e-6, 1], not differentiated


class NStep:
    def __init__(self, n, gamma):
        self.buf, self.n, self.gamma = collections.deque(maxlen=n), n, gamma

    def push(self, s, a, r, s2, d):
        self.buf.append((s, a, r))
        if len(self.buf) < self.n and not d:
            return None
        ret = sum(self.gamma ** k * x[2] for k, x in enumerate(self.buf))
        out = (self.buf[0][0], self.buf[0][1], ret, s2, float(d))
        if d:
            self.buf.clear()
        return out


class Memory:
    def __init__(self, size, alpha=0.5):
        self.data, self.p, self.size, self.alpha, self.k = [], np.zeros(size), size, alpha, 0

    def add(self, tr):
        if len(self.data) < self.size:
            self.data.append(tr)
        else:
            self.data[self.k] = tr
        self.p[self.k] = max(self.p.max(), 1.0)
        self.k = (self.k + 1) % self.size

    def sample(self, n, beta, rng):
        p = self.p[:len(self.data)] ** self.alpha
        p /= p.sum()  # SAFE: new entries have priority 1 and updates keep at least 1e-4
        i = rng.choice(len(self.data), n, p=p)
        w = (len(self.data) * p[i]) ** -beta  # SAFE: drawn entries have positive probability
        cols = [np.array(c, "float32") for c in zip(*(self.data[j] for j in i))]
        return i, (w / w.max()).astype("float32"), cols  # SAFE: weights of drawn entries are positive

    def update(self, i, v):
        self.p[i] = np.maximum(v, 1e-4)


def learn(net, target, opt, cols, w, gamma):
    s, a, r, s2, d = (tf.constant(c) for c in cols)
    a = tf.cast(a, tf.int32)
    best = tf.argmax(net(s2), -1, output_type=tf.int32)
    pn = tf.gather(tf.nn.softmax(target.logits(s2)), best, batch_dims=1)
    t = net.project(r, d, gamma, pn)
    with tf.GradientTape() as tape:
        lg = tf.gather(net.logits(s, training=True), a, batch_dims=1)
        loss = tf.reduce_mean(w * categorical_loss(t, lg))
    v = net.trainable_variables
    g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 10.0)
    opt.apply_gradients(zip(g, v))
    return loss, kl_priority(t, lg)


def epsilon(step, start=1.0, end=0.02, decay=20000):
    return end + (start - end) * np.exp(-step / decay)  # SAFE: exponent never positive, constant decay


def main():
    import gymnasium as gym
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="CartPole-v1")
    p.add_argument("--steps", type=int, default=100000)
    p.add_argument("--n", type=int, default=3)
    a = p.parse_args()
    env, rng = gym.make(a.env), np.random.default_rng(0)
    net, tgt = C51(env.action_space.n), C51(env.action_space.n)
    s, _ = env.reset(seed=0)
    net.logits(s[None]), tgt.logits(s[None])
    mem, ns, opt = Memory(50000), NStep(a.n, 0.99), tf.keras.optimizers.Adam(5e-4, epsilon=1.5e-4)
    for k in range(a.steps):
        act = rng.integers(env.action_space.n) if rng.random() < epsilon(k) else int(tf.argmax(net(s[None])[0]))
        s2, r, term, trunc, _ = env.step(act)
        tr = ns.push(s, act, r * 0.1, s2, term or trunc)
        if tr:
            mem.add(tr)
        s = env.reset()[0] if term or trunc else s2
        if k > 1000:
            i, w, cols = mem.sample(32, min(1.0, 0.4 + 0.6 * k / a.steps), rng)  # SAFE: the loop only runs for a positive number of steps
            _, pr = learn(net, tgt, opt, cols, w, 0.99 ** a.n)
            mem.update(i, pr.numpy())
        if k % 500 == 0:
            tgt.set_weights(net.get_weights())


if __name__ == "__main__":
    main()
