import tensorflow as tf


class BPRMF(tf.keras.Model):
    """Matrix factorisation with item biases, scores are unbounded dot products."""

    def __init__(self, n_users, n_items, dim=64, reg=0.0, item_weight=None):
        super().__init__()
        init = tf.keras.initializers.RandomNormal(stddev=0.1)
        self.user = tf.keras.layers.Embedding(n_users, dim, embeddings_initializer=init)
        self.item = tf.keras.layers.Embedding(n_items, dim, embeddings_initializer=init)
        self.bias = tf.keras.layers.Embedding(n_items, 1, embeddings_initializer="zeros")
        self.reg = reg
        self.item_weight = None
        if item_weight is not None:
            self.item_weight = tf.constant(1.0 / item_weight)  # SAFE: propensities come from propensity(), between 1/sqrt(max count) and 1

    def score(self, u, i):
        return tf.reduce_sum(self.user(u) * self.item(i), -1) + tf.squeeze(self.bias(i), -1)

    def call(self, batch):
        u, pos, neg = batch
        return self.score(u, pos) - self.score(u, neg)

    def ranking_loss(self, batch):
        u, pos, neg = batch
        margin = self(batch)
        ll = tf.math.log(tf.nn.sigmoid(margin))  # BUG: log-sigmoid, a strongly mis-ranked pair (margin below -88..-104) underflows to log(0)
        if self.item_weight is not None:
            w = tf.gather(self.item_weight, pos)
            ll = ll * w / tf.reduce_mean(w)  # SAFE: weights are at least 1, so is their mean
        l2 = sum(tf.reduce_mean(tf.reduce_sum(tf.square(e), -1)) for e in (self.user(u), self.item(pos), self.item(neg)))
        return -tf.reduce_mean(ll) + self.reg * l2


class CosineTower(tf.keras.Model):
    """Content tower used for cold start items; trained with in-batch softmax."""

    def __init__(self, dim=64, temperature=0.07):
        super().__init__()
        self.net = tf.keras.Sequential([tf.keras.layers.Dense(128, activation="relu"),
                                        tf.keras.layers.Dense(dim)])
        self.temperature = temperature

    def call(self, feats):
        return tf.math.l2_normalize(self.net(feats), axis=-1)  # SAFE: l2_normalize has an epsilon under the root

    def inbatch_loss(self, feats, target):
        sim = tf.matmul(self(feats), tf.math.l2_normalize(target, -1), transpose_b=True) / self.temperature  # SAFE: cosine over 0.07, logits within +-14.3
        num = tf.exp(tf.linalg.diag_part(sim))  # SAFE: exponent at most 14.3
        den = tf.reduce_sum(tf.exp(sim), axis=1)
        return -tf.reduce_mean(tf.math.log(num / den))  # SAFE: num/den is at least exp(-28.6)/batch
