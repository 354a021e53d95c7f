"""PPO (clip) with GAE for small continuous control tasks.

python ppo_reacher.py --env Pendulum-v1 --iters 300
"""
import argparse

import numpy as np
import tensorflow as tf

LOG_2PI = float(np.log(2 * np.pi))


def build_actor(obs_dim, act_dim):
    inp = tf.keras.Input((obs_dim,))
    h = tf.keras.layers.Dense(64, activation="tanh")(inp)
    h = tf.keras.layers.Dense(64, activation="tanh")(h)
    mu = tf.keras.layers.Dense(act_dim, activation="tanh",
                               kernel_initializer=tf.keras.initializers.RandomUniform(-3e-3, 3e-3))(h)
    return tf.keras.Model(inp, mu)


def build_critic(obs_dim):
    return tf.keras.Sequential([
        tf.keras.Input((obs_dim,)),
        tf.keras.layers.Dense(64, activation="tanh"),
        tf.keras.layers.Dense(64, activation="tanh"),
        tf.keras.layers.Dense(1),
    ])


class PPO:
    MIN_LOG_STD, MAX_LOG_STD = -2.5, 0.5

    def __init__(self, obs_dim, act_dim, lr=3e-4, clip=0.2, ent_coef=1e-3,
                 epochs=10, minibatch=64, target_kl=0.03):
        self.actor = build_actor(obs_dim, act_dim)
        self.critic = build_critic(obs_dim)
        self.log_std = tf.Variable(-0.5 * tf.ones(act_dim), name="log_std")
        self.pi_opt = tf.keras.optimizers.Adam(lr, clipnorm=0.5)
        self.v_opt = tf.keras.optimizers.Adam(1e-3)
        self.clip, self.ent_coef = clip, ent_coef
        self.epochs, self.minibatch, self.target_kl = epochs, minibatch, target_kl

    def _log_prob(self, obs, act):
        mu = self.actor(obs)
        log_std = tf.clip_by_value(self.log_std, self.MIN_LOG_STD, self.MAX_LOG_STD)
        z = (act - mu) / tf.exp(log_std)  # SAFE: log_std is clipped to [-2.5, 0.5], std >= 0.08
        return tf.reduce_sum(-0.5 * tf.square(z) - log_std - 0.5 * LOG_2PI, axis=-1), log_std

    def act(self, obs):
        obs = tf.convert_to_tensor(obs[None], tf.float32)
        mu = self.actor(obs)
        log_std = tf.clip_by_value(self.log_std, self.MIN_LOG_STD, self.MAX_LOG_STD)
        a = mu + tf.exp(log_std) * tf.random.normal(tf.shape(mu))
        logp, _ = self._log_prob(obs, a)
        v = self.critic(obs)
        return a.numpy()[0], float(logp[0]), float(v[0, 0])

    @tf.function
    def _pi_step(self, obs, act, adv, logp_old):
        variables = self.actor.trainable_variables + [self.log_std]
        with tf.GradientTape() as tape:
            logp, log_std = self._log_prob(obs, act)
            log_ratio = tf.clip_by_value(logp - logp_old, -20.0, 20.0)
            ratio = tf.exp(log_ratio)  # SAFE: log_ratio clipped to [-20, 20]
            clipped = tf.clip_by_value(ratio, 1 - self.clip, 1 + self.clip)
            surr = tf.minimum(ratio * adv, clipped * adv)
            entropy = tf.reduce_sum(log_std + 0.5 * (1.0 + LOG_2PI))
            loss = -tf.reduce_mean(surr) - self.ent_coef * entropy
        grads = tape.gradient(loss, variables)
        self.pi_opt.apply_gradients(zip(grads, variables))
        approx_kl = tf.reduce_mean(ratio - 1.0 - log_ratio)
        return loss, approx_kl

    @tf.function
    def _v_step(self, obs, ret):
        with tf.GradientTape() as tape:
            v = tf.squeeze(self.critic(obs), -1)
            loss = tf.reduce_mean(tf.keras.losses.huber(ret[:, None], v[:, None]))
        grads = tape.gradient(loss, self.critic.trainable_variables)
        grads, _ = tf.clip_by_global_norm(grads, 0.5)
        self.v_opt.apply_gradients(zip(grads, self.critic.trainable_variables))
        return loss

    def update(self, batch):
        obs, act, adv, ret, logp = [tf.convert_to_tensor(x, tf.float32) for x in batch]
        adv = (adv - tf.reduce_mean(adv)) / (tf.math.reduce_std(adv) + 1e-8)  # SAFE: constant batch gives 0 / 1e-8 and no gradient flows through adv
        n = obs.shape[0]
        pl = vl = 0.0
        for _ in range(self.epochs):
            order = tf.random.shuffle(tf.range(n))
            for s in range(0, n, self.minibatch):
                mb = order[s:s + self.minibatch]
                pl, kl = self._pi_step(tf.gather(obs, mb), tf.gather(act, mb),
                                       tf.gather(adv, mb), tf.gather(logp, mb))
                vl = self._v_step(tf.gather(obs, mb), tf.gather(ret, mb))
            if kl > 1.5 * self.target_kl:
                break
        return float(pl), float(vl)


def gae(rews, vals, dones, last_val, gamma=0.99, lam=0.95):
    adv = np.zeros(len(rews), np.float32)
    run = 0.0
    vals = np.append(vals, last_val)
    for t in reversed(range(len(rews))):
        nonterm = 1.0 - dones[t]
        delta = rews[t] + gamma * vals[t + 1] * nonterm - vals[t]
        run = delta + gamma * lam * nonterm * run
        adv[t] = run
    return adv, adv + vals[:-1]


def explained_variance(pred, target):
    var = np.var(target)
    return np.nan if var == 0 else 1.0 - np.var(target - pred) / var  # SAFE: var == 0 is handled, and the number is only logged


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="Pendulum-v1")
    p.add_argument("--iters", type=int, default=300)
    p.add_argument("--horizon", type=int, default=2048)
    a = p.parse_args()
    import gymnasium as gym
    env = gym.make(a.env)
    agent = PPO(env.observation_space.shape[0], env.action_space.shape[0])
    o, _ = env.reset(seed=1)
    for it in range(a.iters):
        buf = {k: [] for k in "oarvdl"}
        for _ in range(a.horizon):
            act, lp, v = agent.act(np.asarray(o, np.float32))
            o2, r, term, trunc, _ = env.step(np.clip(act, -1, 1) * env.action_space.high)
            for k, x in zip("oarvdl", (o, act, r / 10.0, v, float(term or trunc), lp)):
                buf[k].append(x)
            o = o2 if not (term or trunc) else env.reset()[0]
        last_v = float(agent.critic(np.asarray(o, np.float32)[None])[0, 0])
        adv, ret = gae(buf["r"], buf["v"], buf["d"], last_v)
        pl, vl = agent.update((np.array(buf["o"]), np.array(buf["a"]), adv, ret, np.array(buf["l"])))
        print(it, np.sum(buf["r"]), pl, vl, explained_variance(np.array(buf["v"]), ret))


if __name__ == "__main__":
    main()
