import numpy as np
import tensorflow as tf

from env import Pendulum
from hparams import HP
from nets import Actor, TwinCritic


class Buffer:
    def __init__(self, size):
        self.size, self.n, self.p = size, 0, 0
        self.o = np.zeros((size, HP["obs_dim"]), np.float32)
        self.o2 = np.zeros_like(self.o)
        self.a = np.zeros((size, HP["act_dim"]), np.float32)
        self.r = np.zeros(size, np.float32)

    def add(self, o, a, r, o2):
        self.o[self.p], self.a[self.p], self.r[self.p], self.o2[self.p] = o, a, r, o2
        self.p = (self.p + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def sample(self, k):
        i = np.random.randint(0, self.n, k)
        return [tf.constant(v[i]) for v in (self.o, self.a, self.r, self.o2)]

    def reward_scale(self):
        return 1.0 / (self.r[:self.n].std() + 1.0)  # SAFE: one is added to the deviation


class SAC:
    def __init__(self):
        self.actor, self.critic, self.target = Actor(), TwinCritic(), TwinCritic()
        o, a = tf.zeros([1, HP["obs_dim"]]), tf.zeros([1, HP["act_dim"]])
        self.actor(o), self.critic(o, a), self.target(o, a)
        self.target.set_weights(self.critic.get_weights())
        self.log_alpha = tf.Variable(0.0, constraint=lambda v: tf.clip_by_value(v, -10.0, 3.0))
        self.opts = [tf.keras.optimizers.Adam(HP["lr"]) for _ in range(3)]

    @property
    def alpha(self):
        return tf.exp(tf.clip_by_value(self.log_alpha, -10.0, 3.0))  # SAFE: clipped

    @tf.function
    def update(self, o, a, r, o2):
        a2, logp2 = self.actor.sample(o2)
        t1, t2 = self.target(o2, a2)
        y = tf.stop_gradient(r + HP["gamma"] * (tf.minimum(t1, t2) - self.alpha * logp2))
        with tf.GradientTape() as tape:
            q1, q2 = self.critic(o, a)
            lq = tf.reduce_mean(tf.square(q1 - y)) + tf.reduce_mean(tf.square(q2 - y))
        self._apply(0, tape, lq, self.critic.trainable_variables)
        with tf.GradientTape() as tape:
            an, logp = self.actor.sample(o)
            q1, q2 = self.critic(o, an)
            lp = tf.reduce_mean(tf.stop_gradient(self.alpha) * logp - tf.minimum(q1, q2))
        self._apply(1, tape, lp, self.actor.trainable_variables)
        with tf.GradientTape() as tape:
            la = -tf.reduce_mean(self.alpha * tf.stop_gradient(logp + HP["target_entropy"]))
        self._apply(2, tape, la, [self.log_alpha])
        for s, t in zip(self.critic.trainable_variables, self.target.trainable_variables):
            t.assign(t * (1 - HP["tau"]) + s * HP["tau"])
        return lq, lp

    def _apply(self, i, tape, loss, variables):
        grads, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)  # SAFE: clip_by_global_norm handles a zero norm
        self.opts[i].apply_gradients(zip(grads, variables))


def main():
    env, agent, buf = Pendulum(), SAC(), Buffer(HP["buffer"])
    o, total, returns = env.reset(), 0.0, []
    for step in range(HP["total_steps"]):
        if step < HP["start_steps"]:
            a = np.random.uniform(-2, 2, HP["act_dim"])
        else:
            a = agent.actor.sample(o[None])[0].numpy()[0]
        o2, r, done = env.step(a[0])
        buf.add(o, a, r, o2)
        o, total = o2, total + r
        if done:
            returns.append(total)
            o, total = env.reset(), 0.0
        if step >= HP["start_steps"]:
            ob, ac, rew, ob2 = buf.sample(HP["batch"])
            agent.update(ob, ac, rew * buf.reward_scale(), ob2)
        if step % 1000 == 999:
            print(step + 1, "return", np.mean(returns[-5:]) if returns else None)


if __name__ == "__main__":
    main()
