"""Double DQN with prioritised replay and (optional) Boltzmann exploration on LunarLander / Atari frames."""
import collections
import random
import numpy as np
import tensorflow as tf
from tensorflow import keras
import gymnasium as gym

Transition = collections.namedtuple("Transition", "s a r s2 d")


class PrioritizedReplay:
    def __init__(self, size, alpha=0.6, eps=1e-5):
        self.size, self.alpha, self.eps = size, alpha, eps
        self.data, self.prio, self.pos = [], np.zeros(size, np.float32), 0

    def __len__(self):
        return len(self.data)

    def add(self, tr):
        top = self.prio.max() if self.data else 1.0
        if len(self.data) < self.size:
            self.data.append(tr)
        else:
            self.data[self.pos] = tr
        self.prio[self.pos] = top
        self.pos = (self.pos + 1) % self.size

    def sample(self, n, beta):
        p = self.prio[: len(self.data)] ** self.alpha
        p = p / p.sum()  # SAFE: priorities are |td| + eps, never all zero
        idx = np.random.choice(len(self.data), n, p=p)
        w = (len(self.data) * p[idx]) ** (-beta)  # SAFE: sampled entries have positive probability
        w = w / w.max()  # SAFE: positive weights
        return idx, [self.data[i] for i in idx], w.astype(np.float32)

    def update(self, idx, td):
        self.prio[idx] = np.abs(td) + self.eps


def dense_net(n_obs, n_act, dueling=True):
    x = keras.Input((n_obs,))
    h = keras.layers.Dense(128, activation="relu")(x)
    h = keras.layers.Dense(128, activation="relu")(h)
    if not dueling:
        return keras.Model(x, keras.layers.Dense(n_act)(h))
    v = keras.layers.Dense(1)(h)
    a = keras.layers.Dense(n_act)(h)
    q = keras.layers.Lambda(lambda t: t[0] + t[1] - tf.reduce_mean(t[1], axis=1, keepdims=True))([v, a])
    return keras.Model(x, q)


def atari_net(n_act):
    x = keras.Input((84, 84, 4), dtype="uint8")
    h = keras.layers.Lambda(lambda t: tf.cast(t, tf.float32) / 255.0)(x)  # SAFE: constant
    for f, k, s in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
        h = keras.layers.Conv2D(f, k, s, activation="relu")(h)
    h = keras.layers.Flatten()(h)
    h = keras.layers.Dense(512, activation="relu")(h)
    return keras.Model(x, keras.layers.Dense(n_act)(h))


class Agent:
    def __init__(self, q, target, n_act, gamma=0.99, lr=2.5e-4, temp=1.0):
        self.q, self.target, self.n_act = q, target, n_act
        self.gamma = gamma
        self.temp = temp
        self.opt = keras.optimizers.Adam(lr, epsilon=1.5e-4)
        self.huber = keras.losses.Huber(reduction=keras.losses.Reduction.NONE)
        self.eps_greedy = 1.0

    def act(self, s):
        if random.random() < self.eps_greedy:
            return random.randrange(self.n_act)
        return int(tf.argmax(self.q(s[None]), axis=1)[0])

    def act_boltzmann(self, s):
        qv = self.q(s[None]).numpy()[0]
        e = np.exp(qv / self.temp)  # BUG: exp-overflow, Q values of 100 and more are usual with these returns, then inf/inf probabilities
        return int(np.random.choice(self.n_act, p=e / e.sum()))

    def act_boltzmann2(self, s):
        logits = self.q(s[None]) / max(self.temp, 1e-2)  # SAFE: lower bound on the temperature
        return int(tf.random.categorical(logits, 1)[0, 0])

    @tf.function
    def learn(self, s, a, r, s2, d, w):
        a2 = tf.argmax(self.q(s2), axis=1)
        q2 = tf.gather(self.target(s2), a2, batch_dims=1)
        y = r + self.gamma * q2 * (1.0 - d)
        with tf.GradientTape() as tape:
            q = tf.gather(self.q(s), a, batch_dims=1)
            td = y - q
            loss = tf.reduce_mean(w * self.huber(y[:, None], q[:, None]))  # SAFE: huber
        g = tape.gradient(loss, self.q.trainable_variables)
        g, _ = tf.clip_by_global_norm(g, 10.0)  # SAFE: library clip
        self.opt.apply_gradients(zip(g, self.q.trainable_variables))
        return td

    def soft_update(self, tau=0.005):
        for t, v in zip(self.target.variables, self.q.variables):
            t.assign(tau * v + (1 - tau) * t)

    def munchausen(self, s, a, r, s2, d, tau=0.03, alpha=0.9, lo=-1.0):
        """log policy bonus"""
        qs = self.target(s)
        logpi = tf.nn.log_softmax(qs / tau, axis=1)  # SAFE: log_softmax, tau is the constant 0.03
        bonus = alpha * tau * tf.clip_by_value(tf.gather(logpi, a, batch_dims=1), lo / tau, 0.0)  # SAFE: same constant
        q2 = self.target(s2)
        pi2 = tf.nn.softmax(q2 / tau)  # SAFE: softmax subtracts the maximum
        soft_v = tf.reduce_sum(pi2 * (q2 - tau * tf.math.log(pi2)), axis=1)  # BUG: zero-log-zero, with tau 0.03 a gap of 4 in Q is 130 in logits, pi2 is 0
        return r + bonus + self.gamma * (1 - d) * soft_v

    @tf.function
    def learn_munchausen(self, s, a, r, s2, d):
        y = self.munchausen(s, a, r, s2, d)
        with tf.GradientTape() as tape:
            q = tf.gather(self.q(s), a, batch_dims=1)
            loss = tf.reduce_mean(self.huber(y[:, None], q[:, None]))
        g = tape.gradient(loss, self.q.trainable_variables)
        self.opt.apply_gradients(zip(g, self.q.trainable_variables))
        return y - q


def batch_of(trs):
    s, a, r, s2, d = map(np.array, zip(*trs))
    return s.astype("float32"), a.astype("int32"), r.astype("float32"), s2.astype("float32"), d.astype("float32")


def main(steps=200_000, m_dqn=False):
    env = gym.make("LunarLander-v2")
    n_obs, n_act = env.observation_space.shape[0], env.action_space.n
    q, tgt = dense_net(n_obs, n_act), dense_net(n_obs, n_act)
    tgt.set_weights(q.get_weights())
    agent = Agent(q, tgt, n_act)
    mem = PrioritizedReplay(100_000)
    s, _ = env.reset()
    ret, rets = 0.0, collections.deque(maxlen=50)
    for t in range(steps):
        frac = t / steps  # SAFE: constant number of steps
        agent.eps_greedy = max(0.05, 1 - 2 * frac)
        agent.temp = max(0.05, 1.0 - frac)
        if t % 4 == 0 and frac > 0.5:
            a = agent.act_boltzmann(s)
        else:
            a = agent.act(s)
        s2, r, term, trunc, _ = env.step(a)
        mem.add(Transition(s, a, r, s2, float(term)))
        ret += r
        s = s2
        if term or trunc:
            rets.append(ret)
            ret = 0.0
            s, _ = env.reset()
        if len(mem) > 5000 and t % 4 == 0:
            idx, trs, w = mem.sample(64, beta=min(1.0, 0.4 + frac))
            b = batch_of(trs)
            td = agent.learn_munchausen(*b) if m_dqn else agent.learn(*b, w)
            mem.update(idx, td.numpy())
            agent.soft_update()
        if t % 5000 == 0:
            print(t, sum(rets) / max(len(rets), 1))  # SAFE: max(len, 1), printing


if __name__ == "__main__":
    main()
