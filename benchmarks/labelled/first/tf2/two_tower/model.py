import tensorflow as tf
from tensorflow.keras import layers
from utils import cosine, gumbel_softmax, shannon, safe_div, safe_log


class Pool(layers.Layer):
    def call(self, e, ids):
        m = tf.cast(ids > 0, tf.float32)[..., None]
        return safe_div(tf.reduce_sum(e * m, 1), tf.reduce_sum(m, 1) * tf.ones_like(e[:, 0]))  # SAFE: helper with a double where


class Tower(layers.Layer):
    def __init__(self, vocab, dim, hidden=(128, 64), **kw):
        super().__init__(**kw)
        self.emb = layers.Embedding(vocab, dim)
        self.pool = Pool()
        self.mlp = [layers.Dense(h, activation="relu", use_bias=False) for h in hidden[:-1]] + [layers.Dense(hidden[-1], use_bias=False)]

    def call(self, ids):
        h = self.pool(self.emb(ids), ids)
        for l in self.mlp:
            h = l(h)
        return h


class TwoTower(tf.keras.Model):
    def __init__(self, n_users, n_items, dim=32, sim="cos", log_q=None):
        super().__init__()
        self.user = Tower(n_items + 1, dim)
        self.item = Tower(n_items + 1, dim)
        self.rating = tf.keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(1)])
        self.click = layers.Dense(1, activation="sigmoid")
        self.gate = layers.Dense(4)
        self.experts = [layers.Dense(32, activation="relu") for _ in range(4)]
        self.sim = sim
        self.temp = self.add_weight(name="log_temp", shape=(), initializer=tf.keras.initializers.Constant(-2.0))
        self.log_q = log_q

    def scores(self, u, v):
        if self.sim == "cos":
            s = cosine(u, v)
        else:
            s = tf.matmul(u, v, transpose_b=True)
        return s / tf.exp(tf.clip_by_value(self.temp, -4.0, 0.0))  # SAFE: clipped log temperature

    def call(self, inputs, training=False):
        u, v = self.user(inputs["history"]), self.item(inputs["item"])
        x = tf.concat([u, v], -1)
        g = gumbel_softmax(self.gate(x)) if training else tf.nn.softmax(self.gate(x))
        mix = tf.add_n([g[:, i:i + 1] * e(x) for i, e in enumerate(self.experts)])
        if training:
            self.add_loss(-0.01 * tf.reduce_mean(shannon(g)))  # SAFE: shannon uses safe_log
        return {"u": u, "v": v, "rating": self.rating(mix), "click": self.click(mix)}

    def retrieval(self, u, v, item_ids):
        s = self.scores(u, v)
        if self.log_q is not None:
            s -= tf.gather(self.log_q, item_ids)[None]
        lab = tf.range(tf.shape(s)[0])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(lab, s))  # SAFE: fused

    def bpr(self, u, v):
        s = self.scores(u, v)
        pos = tf.linalg.diag_part(s)[:, None]
        return -tf.reduce_mean(tf.math.log(tf.sigmoid(pos - s)))  # BUG: log-sigmoid, difference over temperature exp(-4) reaches -109 with cosines, sigmoid is 0

    def bpr_stable(self, u, v):
        s = self.scores(u, v)
        return -tf.reduce_mean(tf.math.log_sigmoid(tf.linalg.diag_part(s)[:, None] - s))  # SAFE: log_sigmoid

    def info_nce_hand(self, u, v):
        e = tf.exp(self.scores(u, v))  # BUG: exp-overflow, sim="dot" has free scores divided by a temperature of 0.13, above 88 quickly
        return -tf.reduce_mean(safe_log(tf.linalg.diag_part(e) / tf.reduce_sum(e, 1)))  # SAFE: safe_log; a row of exponentials contains the positive one
