import tensorflow as tf
from networks import Actor, ActorV0, ActorStable, Critic, DDPGActor

ACTORS = {"sac": Actor, "sac0": ActorV0, "stable": ActorStable}


class SAC:
    def __init__(self, n_act, cfg):
        self.cfg = cfg
        self.actor = ACTORS[cfg.algo](n_act, cfg)
        self.q1, self.q2, self.t1, self.t2 = (Critic(cfg) for _ in range(4))
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(n_act)
        mk = lambda lr: tf.keras.optimizers.Adam(lr)
        self.ao, self.qo, self.to = mk(cfg.lr), mk(cfg.lr), mk(cfg.alpha_lr)

    @property
    def alpha(self):
        return tf.exp(tf.minimum(self.log_alpha, 5.0))  # SAFE: minimum

    def critic_loss(self, s, a, y):
        return tf.reduce_mean(tf.square(self.q1(s, a) - y)) + tf.reduce_mean(tf.square(self.q2(s, a) - y))  # SAFE: squares

    @tf.function
    def update(self, s, a, r, s2, d):
        a2, lp2 = self.actor.sample(s2)
        tq = tf.minimum(self.t1(s2, a2), self.t2(s2, a2)) - self.alpha * lp2
        y = tf.stop_gradient(r + self.cfg.gamma * (1 - d) * tq)
        with tf.GradientTape() as tape:
            ql = self.critic_loss(s, a, y)
        v = self.q1.trainable_variables + self.q2.trainable_variables
        self.qo.apply_gradients(zip(tape.gradient(ql, v), v))
        with tf.GradientTape() as tape:
            an, lp = self.actor.sample(s)
            q = tf.minimum(self.q1(s, an), self.q2(s, an))
            al = tf.reduce_mean(tf.stop_gradient(self.alpha) * lp - q)
        v = self.actor.trainable_variables
        self.ao.apply_gradients(zip(tape.gradient(al, v), v))
        with tf.GradientTape() as tape:
            tl = -tf.reduce_mean(self.log_alpha * tf.stop_gradient(lp + self.target_entropy))
        self.to.apply_gradients([(tape.gradient(tl, self.log_alpha), self.log_alpha)])
        for q, t in ((self.q1, self.t1), (self.q2, self.t2)):
            for a_, b_ in zip(q.variables, t.variables):
                b_.assign(self.cfg.tau * a_ + (1 - self.cfg.tau) * b_)
        return ql, al


class DDPG:
    def __init__(self, n_act, cfg):
        self.cfg = cfg
        self.mu, self.mu_t = DDPGActor(n_act, cfg), DDPGActor(n_act, cfg)
        self.q, self.qt = Critic(cfg), Critic(cfg)
        self.ao = tf.keras.optimizers.Adam(1e-4)
        self.qo = tf.keras.optimizers.Adam(1e-3)

    def update(self, s, a, r, s2, d):
        y = r + self.cfg.gamma * (1 - d) * self.qt(s2, self.mu_t(s2))
        with tf.GradientTape(persistent=True) as tape:
            ql = tf.reduce_mean((self.q(s, a) - y) ** 2)  # SAFE: square
            act = self.mu(s)
            al = -tf.reduce_mean(self.q(s, act))
        gq = tape.gradient(ql, self.q.trainable_variables)
        ga = tape.gradient(al, self.mu.trainable_variables)
        norm = tf.linalg.global_norm(ga)
        ga = [g / tf.maximum(norm, 1e-6) for g in ga]  # SAFE: maximum with 1e-6, after the tape
        self.qo.apply_gradients(zip(gq, self.q.trainable_variables))
        self.ao.apply_gradients(zip(ga, self.mu.trainable_variables))
        return ql, al
