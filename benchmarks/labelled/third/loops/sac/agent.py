import tensorflow as tf

from networks import GaussianPolicy, QFunction


class SAC:
    def __init__(self, obs_dim, act_dim, act_limit, cfg):
        self.cfg = cfg
        self.pi = GaussianPolicy(act_dim, act_limit, cfg)
        self.q1, self.q2 = QFunction(cfg), QFunction(cfg)
        self.q1_targ, self.q2_targ = QFunction(cfg), QFunction(cfg)
        o, a = tf.zeros((1, obs_dim)), tf.zeros((1, act_dim))
        self.pi(o)
        for q in (self.q1, self.q2, self.q1_targ, self.q2_targ):
            q((o, a))
        self.q1_targ.set_weights(self.q1.get_weights())
        self.q2_targ.set_weights(self.q2.get_weights())
        self.log_alpha = tf.Variable(0.0)
        self.target_entropy = -float(act_dim)
        self.pi_opt = tf.keras.optimizers.Adam(cfg.actor_lr)
        self.q_opt = tf.keras.optimizers.Adam(cfg.critic_lr)
        self.alpha_opt = tf.keras.optimizers.Adam(cfg.alpha_lr)

    @tf.function
    def update(self, o, a, r, o2, d):
        alpha = tf.exp(self.log_alpha)
        a2, logp2 = self.pi.sample(o2)
        q_next = tf.minimum(self.q1_targ((o2, a2)), self.q2_targ((o2, a2)))
        backup = r + self.cfg.gamma * (1.0 - d) * (q_next - alpha * logp2)

        q_vars = self.q1.trainable_variables + self.q2.trainable_variables
        with tf.GradientTape() as tape:
            l1 = tf.reduce_mean(tf.square(self.q1((o, a)) - backup))
            l2 = tf.reduce_mean(tf.square(self.q2((o, a)) - backup))
            q_loss = l1 + l2
        self.q_opt.apply_gradients(zip(tape.gradient(q_loss, q_vars), q_vars))

        pi_vars = self.pi.trainable_variables
        with tf.GradientTape() as tape:
            a_new, logp = self.pi.sample(o)
            q_new = tf.minimum(self.q1((o, a_new)), self.q2((o, a_new)))
            pi_loss = tf.reduce_mean(alpha * logp - q_new)
        self.pi_opt.apply_gradients(zip(tape.gradient(pi_loss, pi_vars), pi_vars))

        with tf.GradientTape() as tape:
            alpha_loss = -tf.reduce_mean(
                self.log_alpha * tf.stop_gradient(logp + self.target_entropy))
        g = tape.gradient(alpha_loss, [self.log_alpha])
        self.alpha_opt.apply_gradients(zip(g, [self.log_alpha]))

        self._polyak(self.q1, self.q1_targ)
        self._polyak(self.q2, self.q2_targ)
        return q_loss, pi_loss, alpha

    def _polyak(self, src, dst):
        for s, t in zip(src.variables, dst.variables):
            t.assign((1.0 - self.cfg.tau) * t + self.cfg.tau * s)
