import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, layers

import conf


class DuelingNet(Model):
    def __init__(self, n_actions):
        super().__init__()
        self.scale = layers.Rescaling(1.0 / 255)
        self.c1 = layers.Conv2D(32, 5, 2, activation="relu", kernel_initializer="he_uniform")
        self.c2 = layers.Conv2D(64, 3, 1, activation="relu", kernel_initializer="he_uniform")
        self.flat = layers.Flatten()
        self.value = tf.keras.Sequential([layers.Dense(256, activation="relu"), layers.Dense(1)])
        self.adv = tf.keras.Sequential([layers.Dense(256, activation="relu"), layers.Dense(n_actions)])

    def call(self, frames):
        h = self.scale(tf.cast(frames, tf.float32))  # SAFE: maps are divided by 255 in the layer
        h = self.flat(self.c2(self.c1(h)))
        a = self.adv(h)
        return self.value(h) + a - tf.reduce_mean(a, axis=1, keepdims=True)


class Agent:
    def __init__(self, gamma, lr, target_every, batch, clip):
        self.gamma, self.batch, self.clip, self.target_every = gamma, batch, clip, target_every
        self.net, self.target = DuelingNet(conf.ACTIONS), DuelingNet(conf.ACTIONS)
        probe = tf.zeros((1, conf.GRID, conf.GRID, 2 * conf.CHANNELS))
        self.net(probe), self.target(probe)
        self.sync()
        self.opt = tf.keras.optimizers.RMSprop(lr, rho=0.95, epsilon=1e-5)  # SAFE: 2.5e-4 in conf
        self.updates = 0

    def sync(self):
        self.target.set_weights(self.net.get_weights())

    def act(self, state, eps, rng):
        if rng.random() < eps:
            return int(rng.integers(conf.ACTIONS))
        return int(tf.argmax(self.net(state[None])[0]))

    @tf.function
    def _step(self, s, a, r, s2, d, w):
        best = tf.argmax(self.net(s2), axis=1)
        q2 = tf.gather(self.target(s2), best, batch_dims=1)
        goal = tf.stop_gradient(r + self.gamma * (1.0 - d) * q2)
        with tf.GradientTape() as tape:
            q = tf.gather(self.net(s), a, batch_dims=1)
            td = goal - q
            size = tf.abs(td)
            huber = tf.where(size < 1.0, 0.5 * td * td, size - 0.5)  # SAFE: both branches are finite with finite slopes
            loss = tf.reduce_mean(w * huber)
        tv = self.net.trainable_variables
        grads, _ = tf.clip_by_global_norm(tape.gradient(loss, tv), self.clip)
        self.opt.apply_gradients(zip(grads, tv))
        return td, loss

    def learn(self, memory, step, rng):
        idx, w = memory.sample(self.batch, step, rng)
        td, loss = self._step(*memory.batch(idx), w)
        memory.update(idx, td.numpy())
        self.updates += 1
        if self.updates % self.target_every == 0:
            self.sync()
        return float(loss)


def epsilon(step, start, end, steps):
    return end + (start - end) * max(0.0, 1.0 - step / steps)  # SAFE: steps is 100000 in conf


def smooth(values, k=50):
    v = np.asarray(values[-k:], np.float32)
    return float(v.mean()) if len(v) else 0.0  # SAFE: empty list handled
