import keras
import numpy as np
import tensorflow as tf

from nets import SquashedGaussianActor, TwinCritic


class SAC:

    def __init__(self, obs_dim, act_dim, cfg):
        self.cfg = cfg
        self.actor, self.critic, self.target = SquashedGaussianActor(act_dim), TwinCritic(), TwinCritic()
        o, a = tf.zeros([1, obs_dim]), tf.zeros([1, act_dim])
        self.actor(o), self.critic(o, a), self.target(o, a)
        self.target.set_weights(self.critic.get_weights())
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(act_dim)
        self.opt_a = keras.optimizers.Adam(cfg.lr, clipnorm=10.0)
        self.opt_c = keras.optimizers.Adam(cfg.lr)
        self.opt_t = keras.optimizers.Adam(cfg.lr)

    @tf.function
    def update_bc(self, obs, act):
        with tf.GradientTape() as tape:
            nll = -tf.reduce_mean(self.actor.log_prob(obs, act))
        grads = tape.gradient(nll, self.actor.trainable_variables)
        self.opt_a.apply_gradients(zip(grads, self.actor.trainable_variables))
        return nll

    @tf.function
    def update_critic(self, obs, act, rew, nxt, done, weight):
        alpha = tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 2.0))  # SAFE: clipped exponent
        a2, logp2, _ = self.actor(nxt)
        t1, t2 = self.target(nxt, a2)
        y = tf.stop_gradient(rew + self.cfg.gamma * (1.0 - done) * (tf.minimum(t1, t2) - alpha * logp2))
        with tf.GradientTape() as tape:
            q1, q2 = self.critic(obs, act)
            loss = tf.reduce_mean(weight * (self._huber(q1 - y) + self._huber(q2 - y)))
        grads = tape.gradient(loss, self.critic.trainable_variables)
        self.opt_c.apply_gradients(zip(grads, self.critic.trainable_variables))
        for t, s in zip(self.target.variables, self.critic.variables):
            t.assign(t + self.cfg.tau * (s - t))
        return loss, tf.abs(q1 - y)

    @staticmethod
    def _huber(x):
        return tf.sqrt(1.0 + tf.square(x)) - 1.0  # SAFE: the root of a number that is at least one

    @tf.function
    def update_actor(self, obs):
        alpha = tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 2.0))  # SAFE: clipped exponent
        with tf.GradientTape() as tape:
            a, logp, _ = self.actor(obs)
            q1, q2 = self.critic(obs, a)
            loss = tf.reduce_mean(alpha * logp - tf.minimum(q1, q2))
        grads = tape.gradient(loss, self.actor.trainable_variables)
        self.opt_a.apply_gradients(zip(grads, self.actor.trainable_variables))
        with tf.GradientTape() as tape:
            t_loss = -tf.reduce_mean(self.log_alpha * tf.stop_gradient(logp + self.target_entropy))
        self.opt_t.apply_gradients([(tape.gradient(t_loss, self.log_alpha), self.log_alpha)])
        return loss, alpha

    def act(self, obs, noise=True):
        a, _, mean = self.actor(obs[None].astype(np.float32))
        return (a if noise else mean)[0].numpy()
