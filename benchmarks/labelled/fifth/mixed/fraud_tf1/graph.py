import tensorflow.compat.v1 as tf

import layers as L


class FraudGraph(object):
    """Autoencoder branch plus classifier branch on card transactions."""

    def __init__(self, hp, mean, std, pos_weight):
        self.hp = hp
        self.pos_weight = float(pos_weight)
        self.x = tf.placeholder(tf.float32, [None, hp.n_features], "x")
        self.y = tf.placeholder(tf.float32, [None], "y")
        z = L.standardise(self.x, tf.constant(mean, tf.float32), tf.constant(std, tf.float32))
        self._encode(z)
        self._classify()
        self._losses(z)
        self._train()

    def _encode(self, z):
        hp = self.hp
        h = L.scaled_dense(z, hp.hidden, "enc1", tf.nn.tanh)
        self.code = L.scaled_dense(h, hp.code, "enc2", tf.nn.tanh)
        g = L.scaled_dense(self.code, hp.hidden, "dec1", tf.nn.tanh)
        self.recon = L.scaled_dense(g, hp.n_features, "dec2")

    def _classify(self):
        hp = self.hp
        feats = tf.concat([self.code, self._error_features()], axis=1)
        h = L.dense(feats, hp.hidden, hp.weight_std, "cls1", tf.nn.relu)
        h = L.dense(h, hp.hidden, hp.weight_std, "cls2", tf.nn.relu)
        self.logit = tf.squeeze(L.dense(h, 1, hp.weight_std, "cls3"), 1)
        p = tf.sigmoid(self.logit)  # BUG: init, weight_std=1.0 with 256 inputs twice makes logits in the hundreds, nearly every probability starts saturated at 0 or 1 and gets no gradient
        self.prob = tf.clip_by_value(p, hp.prob_eps, 1.0 - hp.prob_eps)

    def _error_features(self):
        err = tf.reduce_mean(tf.square(self.code), axis=1, keepdims=True)
        return tf.log(err + 1e-4)  # SAFE: mean of squares plus 1e-4

    def _losses(self, z):
        hp = self.hp
        pos = -self.y * tf.log(self.prob)  # SAFE: clipped from below to 1e-10, a normal float32
        neg = -(1.0 - self.y) * tf.log(1.0 - self.prob)  # BUG: weak-guard, 1 - 1e-10 rounds to 1 in float32, so the clip leaves log(0) for saturated probabilities
        self.ce = tf.reduce_mean(self.pos_weight * pos + neg)
        sq = tf.reduce_mean(tf.square(self.recon - z), axis=1)
        self.mse = L.masked_mean(sq, self.y < 0.5)
        dist = tf.sqrt(tf.reduce_sum(tf.square(self.recon - z), axis=1) + 1e-8)  # SAFE: 1e-8 inside the root
        self.score = dist
        self.loss = self.ce + hp.recon_weight * self.mse + L.l2_penalty(hp.l2)

    def _train(self):
        hp = self.hp
        self.step = tf.train.get_or_create_global_step()
        lr = tf.train.exponential_decay(hp.learning_rate, self.step, hp.decay_steps, hp.decay_rate)
        opt = tf.train.AdamOptimizer(lr)
        gv = [(g, v) for g, v in opt.compute_gradients(self.loss) if g is not None]
        grads, self.norm = tf.clip_by_global_norm([g for g, _ in gv], hp.max_grad_norm)
        self.train_op = opt.apply_gradients(list(zip(grads, [v for _, v in gv])), global_step=self.step)
        tf.summary.scalar("ce", self.ce)
        tf.summary.scalar("mse", self.mse)
        tf.summary.scalar("grad", self.norm)
        self.summary = tf.summary.merge_all()
