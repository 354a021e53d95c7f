import gymnasium as gym
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("env", "Pendulum-v1", "")
flags.DEFINE_float("gamma", 0.99, "")
flags.DEFINE_float("lam", 0.95, "")
flags.DEFINE_float("clip", 0.2, "")
flags.DEFINE_float("ent_coef", 0.01, "")
flags.DEFINE_float("lr", 3e-4, "")
flags.DEFINE_integer("horizon", 2048, "")
flags.DEFINE_float("adv_eps", 1e-8, "added to the deviation of the advantage")


class GaussianPolicy(tf.keras.Model):
    LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0

    def __init__(self, n_act):
        super().__init__()
        self.body = tf.keras.Sequential([layers.Dense(64, "tanh"), layers.Dense(64, "tanh")])
        self.mu = layers.Dense(n_act)
        self.log_std = tf.Variable(tf.zeros(n_act), name="log_std")

    def call(self, obs):
        mu = self.mu(self.body(obs))
        ls = tf.clip_by_value(self.log_std, self.LOG_STD_MIN, self.LOG_STD_MAX)
        return mu, ls

    def log_prob(self, obs, act):
        mu, ls = self(obs)
        z = (act - mu) / tf.exp(ls)  # SAFE: ls clipped to [-5, 2] in call
        return tf.reduce_sum(-0.5 * z ** 2 - ls - 0.5 * np.log(2 * np.pi), axis=-1)  # SAFE: log of a constant

    def entropy(self):
        return tf.reduce_sum(self.log_std + 0.5 * np.log(2 * np.pi * np.e))  # SAFE: log of a constant


class CategoricalPolicy(tf.keras.Model):
    def __init__(self, n_act):
        super().__init__()
        self.n_act = n_act
        self.d1 = layers.Dense(64, activation="tanh")
        self.d2 = layers.Dense(64, activation="tanh")
        self.pi = layers.Dense(n_act, activation="softmax")

    def call(self, obs):
        return self.pi(self.d2(self.d1(obs)))

    def log_prob(self, obs, act):
        p = self(obs)
        chosen = tf.reduce_sum(p * tf.one_hot(act, self.n_act), axis=1)
        return tf.math.log(chosen)  # BUG: log-softmax, the softmax output underflows to 0 for an action the policy has moved away from

    def entropy(self, obs):
        p = self(obs)
        return -tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p + 1e-10), axis=1))  # SAFE: 1e-10 added to p alone


class Critic(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.net = tf.keras.Sequential([layers.Dense(64, "tanh"), layers.Dense(64, "tanh"), layers.Dense(1)])

    def call(self, o):
        return tf.squeeze(self.net(o), -1)


class RunningNorm:
    def __init__(self, shape):
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, x):
        bm, bv, bc = x.mean(0), x.var(0), len(x)
        d = bm - self.mean
        tot = self.count + bc
        self.mean = self.mean + d * bc / tot  # SAFE: count starts at 1e-4
        m2 = self.var * self.count + bv * bc + d ** 2 * self.count * bc / tot  # SAFE: same
        self.var, self.count = m2 / tot, tot  # SAFE: same

    def __call__(self, x):
        return np.clip((x - self.mean) / np.sqrt(self.var + 1e-8), -10, 10)  # SAFE: epsilon in the root, no gradient


def gae(rew, val, done, last):
    adv = np.zeros_like(rew)
    g = 0.0
    for t in reversed(range(len(rew))):
        nv = last if t == len(rew) - 1 else val[t + 1]
        delta = rew[t] + FLAGS.gamma * nv * (1 - done[t]) - val[t]
        g = delta + FLAGS.gamma * FLAGS.lam * (1 - done[t]) * g
        adv[t] = g
    return adv, adv + val


class PPO:
    def __init__(self, policy, critic, lr, clip):
        self.policy, self.critic, self.clip = policy, critic, clip
        self.opt = tf.keras.optimizers.Adam(lr, clipnorm=0.5)
        self.copt = tf.keras.optimizers.Adam(1e-3)

    @tf.function
    def update(self, obs, act, old_lp, adv, ret):
        with tf.GradientTape() as tape:
            lp = self.policy.log_prob(obs, act)
            ratio = tf.exp(lp - old_lp)  # MAYBE: unclipped log ratio; 10 epochs on one batch with std exp(-5) can pass 88, adam at 3e-4 rarely gets there
            s1 = ratio * adv
            s2 = tf.clip_by_value(ratio, 1 - self.clip, 1 + self.clip) * adv
            loss = -tf.reduce_mean(tf.minimum(s1, s2))
            if isinstance(self.policy, CategoricalPolicy):
                loss -= FLAGS.ent_coef * self.policy.entropy(obs)
            else:
                loss -= FLAGS.ent_coef * self.policy.entropy()
        g = tape.gradient(loss, self.policy.trainable_variables)
        self.opt.apply_gradients(zip(g, self.policy.trainable_variables))
        with tf.GradientTape() as tape:
            vl = tf.reduce_mean(tf.keras.losses.huber(ret[:, None], self.critic(obs)[:, None]))
        g = tape.gradient(vl, self.critic.trainable_variables)
        self.copt.apply_gradients(zip(g, self.critic.trainable_variables))
        kl = tf.reduce_mean(old_lp - lp)
        return loss, vl, kl


def discounted_a2c(policy, critic, opt, obs, act, rew):
    """the short episode variant from the exercise; rewards-to-go, normalised per episode"""
    ret = np.zeros(len(rew), "float32")
    acc = 0.0
    for t in reversed(range(len(rew))):
        acc = rew[t] + FLAGS.gamma * acc
        ret[t] = acc
    ret = (ret - ret.mean()) / ret.std()  # BUG: div-zero, an episode of one step has deviation 0, 0/0 goes into the loss
    with tf.GradientTape() as tape:
        lp = policy.log_prob(obs, act)
        loss = -tf.reduce_mean(lp * ret)
    opt.apply_gradients(zip(tape.gradient(loss, policy.trainable_variables), policy.trainable_variables))
    return loss


def main(_):
    env = gym.make(FLAGS.env)
    disc = isinstance(env.action_space, gym.spaces.Discrete)
    policy = CategoricalPolicy(env.action_space.n) if disc else GaussianPolicy(env.action_space.shape[0])
    critic = Critic()
    agent = PPO(policy, critic, FLAGS.lr, FLAGS.clip)
    norm = RunningNorm(env.observation_space.shape)
    a2c_opt = tf.keras.optimizers.Adam(FLAGS.lr)
    o, _ = env.reset()
    for it in range(200):
        O, A, R, D, LP, V = [], [], [], [], [], []
        for _ in range(FLAGS.horizon):
            on = norm(o).astype("float32")[None]
            if disc:
                p = policy(on)[0].numpy()
                p = p / p.sum()  # SAFE: a softmax row sums to about one
                a = np.random.choice(len(p), p=p)
            else:
                mu, ls = policy(on)
                a = (mu + tf.exp(ls) * tf.random.normal(mu.shape)).numpy()[0]  # SAFE: ls clipped
            lp = policy.log_prob(on, np.array([a]))[0]
            o2, r, term, trunc, _ = env.step(a)
            for L, v in zip((O, A, R, D, LP, V), (on[0], a, r, float(term), float(lp), float(critic(on)[0]))):
                L.append(v)
            o = env.reset()[0] if term or trunc else o2
        norm.update(np.array(O))
        adv, ret = gae(np.array(R, "float32"), np.array(V, "float32"), np.array(D), V[-1])
        adv = (adv - adv.mean()) / (adv.std() + FLAGS.adv_eps)  # SAFE: eps from the flag, float
        n = FLAGS.horizon
        for _ in range(10):
            for mb in np.array_split(np.random.permutation(n), n // 64):  # SAFE: integer sizes
                agent.update(np.array(O)[mb], np.array(A)[mb], np.array(LP, "float32")[mb], adv[mb].astype("float32"), ret[mb].astype("float32"))
        if disc and it % 50 == 0:
            discounted_a2c(policy, critic, a2c_opt, np.array(O[:20]), np.array(A[:20]), R[:20])
        print(it, np.mean(R))


if __name__ == "__main__":
    app.run(main)
