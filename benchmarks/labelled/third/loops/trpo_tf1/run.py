import argparse

import numpy as np
import tensorflow.compat.v1 as tf

from policy import Policy

tf.disable_v2_behavior()


class LinearBaseline(object):
    def __init__(self, reg=1e-5):
        self.reg, self.w = reg, None

    @staticmethod
    def feats(o, t):
        o = np.clip(o, -10, 10)
        t = (t / 100.0)[:, None]
        return np.concatenate([o, o ** 2, t, t ** 2, t ** 3, np.ones_like(t)], 1)

    def fit(self, o, t, ret):
        f = self.feats(o, t)
        a = f.T @ f + self.reg * np.eye(f.shape[1])
        self.w = np.linalg.lstsq(a, f.T @ ret, rcond=None)[0]  # SAFE: regularised, and lstsq also works for a singular matrix

    def predict(self, o, t):
        return np.zeros(len(o)) if self.w is None else self.feats(o, t) @ self.w


def adapt(coef, kl, target):
    if kl > 1.5 * target:
        coef *= 2.0
    elif kl < target / 1.5:
        coef /= 2.0
    return float(np.clip(coef, 1e-3, 1e3))


def advantages(rew, val, gamma=0.99, lam=0.97):
    adv, acc = np.zeros(len(rew)), 0.0
    nxt = np.append(val[1:], 0.0)
    for i in reversed(range(len(rew))):
        acc = rew[i] + gamma * nxt[i] - val[i] + gamma * lam * acc
        adv[i] = acc
    return adv


def update(sess, pi, obs, act, adv, old, coef, epochs=20):
    adv = (adv - adv.mean()) / max(adv.std(), 1e-6)  # SAFE: floored divisor
    feed = {pi.obs: obs, pi.act: act, pi.adv: adv, pi.old: old, pi.kl_coef: coef}
    kl = 0.0
    for _ in range(epochs):
        _, kl, loss = sess.run([pi.train_op, pi.kl, pi.loss], feed)
        if kl > 0.05:
            break
    return kl, loss


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--env', default='CartPole-v1')
    ap.add_argument('--iters', type=int, default=300)
    ap.add_argument('--steps', type=int, default=4000)
    ap.add_argument('--target-kl', type=float, default=0.01)
    a = ap.parse_args()
    import gym
    env = gym.make(a.env)
    disc = hasattr(env.action_space, 'n')
    pi = Policy(env.observation_space.shape[0], env.action_space.n if disc else env.action_space.shape[0], disc)
    base, coef = LinearBaseline(), 1.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for it in range(a.iters):
            O, A, P, ADV, T, R, scores = [], [], [], [], [], [], []
            while len(O) < a.steps:
                o, done, ep = env.reset(), False, []
                while not done:
                    act, p = pi.sample(sess, np.asarray(o))
                    o2, r, done, _ = env.step(act)
                    ep.append((o, act, p, r))
                    o = o2
                obs, acts, ps, rew = [np.array(v) for v in zip(*ep)]
                t = np.arange(len(rew), dtype=np.float64)
                v = base.predict(obs, t)
                ADV.append(advantages(rew, v))
                R.append(np.cumsum(rew[::-1])[::-1])
                T.append(t)
                O.extend(obs), A.extend(acts), P.extend(ps)
                scores.append(rew.sum())
            obs = np.array(O)
            kl, loss = update(sess, pi, obs, np.array(A), np.concatenate(ADV), np.array(P), coef)
            coef = adapt(coef, kl, a.target_kl)
            base.fit(obs, np.concatenate(T), np.concatenate(R))
            print(it, np.mean(scores), kl, loss, coef)


if __name__ == '__main__':
    main()
