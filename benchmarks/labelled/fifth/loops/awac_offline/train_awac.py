import argparse

import numpy as np
import tensorflow as tf

import constants as C
from buffer import OfflineData
from networks import SquashedGaussian, TwinQ


class AWAC:
    def __init__(self, obs_dim, act_dim, lam=1.0, lr=3e-4):
        if lam <= 0:
            raise ValueError("lambda must be positive")
        self.lam = lam
        self.pi = SquashedGaussian(act_dim)
        self.q = TwinQ()
        self.q_target = TwinQ()
        o, a = tf.zeros([1, obs_dim]), tf.zeros([1, act_dim])
        self.pi(o), self.q(o, a), self.q_target(o, a)
        self.q_target.set_weights(self.q.get_weights())
        self.pi_opt = tf.keras.optimizers.Adam(lr)
        self.q_opt = tf.keras.optimizers.Adam(lr)

    @tf.function
    def update_q(self, obs, act, rew, nobs, done):
        na, _ = self.pi.sample(nobs)
        tq = tf.minimum(*self.q_target(nobs, na))
        target = tf.stop_gradient(rew + C.GAMMA * (1.0 - done) * tq)
        with tf.GradientTape() as tape:
            q1, q2 = self.q(obs, act)
            loss = tf.reduce_mean(tf.square(q1 - target) + tf.square(q2 - target))
        g = tape.gradient(loss, self.q.trainable_variables)
        self.q_opt.apply_gradients(zip(g, self.q.trainable_variables))
        return loss

    def weights(self, obs, act):
        q = tf.minimum(*self.q(obs, act))
        va, _ = self.pi.sample(obs)
        adv = q - tf.minimum(*self.q(obs, va))
        w = tf.exp(tf.minimum(adv / self.lam, C.ADV_CLIP))  # SAFE: exponent is limited to 4.6 and lam > 0 is checked
        return tf.stop_gradient(w)

    @tf.function
    def update_pi(self, obs, act):
        w = self.weights(obs, act)
        with tf.GradientTape() as tape:
            logp = self.pi.log_prob(obs, act)
            loss = -tf.reduce_mean(w * logp)
        g = tape.gradient(loss, self.pi.trainable_variables)
        self.pi_opt.apply_gradients(zip(g, self.pi.trainable_variables))
        return loss

    def sync(self):
        for t, s in zip(self.q_target.trainable_variables, self.q.trainable_variables):
            t.assign(C.TAU * s + (1.0 - C.TAU) * t)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="halfcheetah-medium.npz")
    p.add_argument("--steps", type=int, default=500000)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lam", type=float, default=0.3)
    a = p.parse_args()
    data = OfflineData.from_npz(a.data)
    data.normalise()
    data.scale_rewards()
    agent = AWAC(data.obs.shape[1], data.act.shape[1], a.lam)
    for t in range(a.steps):
        o, u, r, o2, d = map(tf.convert_to_tensor, data.batch(a.batch))
        ql = agent.update_q(o, u, r, o2, d)
        pl = agent.update_pi(o, u)
        agent.sync()
        if t % 1000 == 0:
            print(t, float(ql), float(pl))


if __name__ == "__main__":
    main()
