import tensorflow as tf
from tensorflow.keras import layers


class NeuMF(tf.keras.Model):
    """He et al. 2017: generalised matrix factorisation plus an MLP tower."""

    def __init__(self, n_users, n_items, cfg):
        super().__init__()
        self.gmf_u = layers.Embedding(n_users, cfg.dim)
        self.gmf_v = layers.Embedding(n_items, cfg.dim)
        self.mlp_u = layers.Embedding(n_users, cfg.dim)
        self.mlp_v = layers.Embedding(n_items, cfg.dim)
        self.tower = tf.keras.Sequential()
        for width in cfg.tower:
            self.tower.add(layers.Dense(width, activation="relu"))
            self.tower.add(layers.Dropout(cfg.dropout))
        self.out = layers.Dense(1, activation="sigmoid")

    def call(self, feats, training=False):
        gmf = self.gmf_u(feats["user"]) * self.gmf_v(feats["item"])
        mlp = tf.concat([self.mlp_u(feats["user"]), self.mlp_v(feats["item"])], axis=-1)
        h = tf.concat([gmf, self.tower(mlp, training=training)], axis=-1)
        return tf.squeeze(self.out(h), -1)


class BPR(tf.keras.Model):
    def __init__(self, n_users, n_items, cfg, l2=1e-6):
        super().__init__()
        self.u = layers.Embedding(n_users, cfg.dim)
        self.v = layers.Embedding(n_items, cfg.dim)
        self.b = layers.Embedding(n_items, 1, embeddings_initializer="zeros")
        self.l2 = l2
        self.weight = cfg.bpr_weight
        self.loss_metric = tf.keras.metrics.Mean(name="bpr")
        self.auc_metric = tf.keras.metrics.Mean(name="pair_auc")

    def score(self, user, item):
        return tf.reduce_sum(self.u(user) * self.v(item), axis=-1) + tf.squeeze(self.b(item), -1)

    def call(self, feats, training=False):
        return self.score(feats["user"], feats["item"])

    def train_step(self, feats):
        with tf.GradientTape() as tape:
            margin = self.score(feats["user"], feats["item"]) - self.score(feats["user"], feats["negative"])
            loss = -tf.reduce_mean(tf.math.log(tf.sigmoid(margin)))  # BUG: log-sigmoid, the score margin is unbounded and the sigmoid underflows to 0
            reg = tf.add_n([tf.nn.l2_loss(self.u(feats["user"])), tf.nn.l2_loss(self.v(feats["item"]))])
            total = self.weight * loss + self.l2 * reg
        grads = tape.gradient(total, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_metric.update_state(loss)
        self.auc_metric.update_state(tf.cast(margin > 0, tf.float32))
        return {"bpr": self.loss_metric.result(), "pair_auc": self.auc_metric.result()}


def item_similarity(table, eps=1e-12):
    norm = tf.norm(table, axis=1, keepdims=True)
    unit = table / tf.maximum(norm, eps)  # SAFE: norm floored, no gradient is taken here
    return tf.matmul(unit, unit, transpose_b=True)


def ndcg_at_k(ranked_hits, k=10):
    """ranked_hits: [n, k] with 1 for a relevant item."""
    hits = tf.cast(ranked_hits[:, :k], tf.float32)
    discount = 1.0 / (tf.math.log(tf.range(2.0, 2.0 + k)) / tf.math.log(2.0))  # SAFE: logarithms of 2 and above
    dcg = tf.reduce_sum(hits * discount, axis=1)
    ideal = tf.reduce_sum(tf.sort(hits, axis=1, direction="DESCENDING") * discount, axis=1)
    return tf.reduce_mean(tf.math.divide_no_nan(dcg, ideal))  # SAFE: divide_no_nan for users without a hit
