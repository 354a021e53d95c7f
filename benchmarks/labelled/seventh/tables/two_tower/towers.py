import math

import keras
import tensorflow as tf
from keras import layers


class UserTower(keras.Model):

    def __init__(self, cfg):
        super().__init__()
        self.user = layers.Embedding(cfg.n_users, cfg.dim)
        self.item = layers.Embedding(cfg.n_items + 1, cfg.dim)
        self.query = layers.Dense(cfg.dim)
        self.mlp = keras.Sequential([layers.Dense(h, activation="relu") for h in cfg.hidden] + [layers.Dense(cfg.dim)])

    def call(self, inputs):
        user, hist = inputs
        u, h = self.user(user), self.item(hist)
        valid = hist > 0
        s = tf.einsum("bd,btd->bt", self.query(u), h) / math.sqrt(h.shape[-1])  # SAFE: the embedding size is a positive constant
        s = tf.where(valid, s, tf.fill(tf.shape(s), -1e9))
        w = tf.nn.softmax(s, -1)  # SAFE: finite fill, new users without history get uniform weights
        w = w * tf.cast(valid, tf.float32)
        pooled = tf.reduce_sum(h * w[..., None], 1)
        return tf.math.l2_normalize(self.mlp(tf.concat([u, pooled], -1)), -1)  # SAFE: l2_normalize has an epsilon


class ItemTower(keras.Model):

    def __init__(self, cfg, genre_table):
        super().__init__()
        self.item = layers.Embedding(cfg.n_items, cfg.dim)
        self.genres = tf.constant(genre_table)
        self.mlp = keras.Sequential([layers.Dense(h, activation="relu") for h in cfg.hidden] + [layers.Dense(cfg.dim)])

    def call(self, item):
        x = tf.concat([self.item(item), tf.gather(self.genres, item)], -1)
        return tf.math.l2_normalize(self.mlp(x), -1)  # SAFE: l2_normalize has an epsilon


class Retriever(keras.Model):

    def __init__(self, cfg, genre_table):
        super().__init__()
        self.cfg = cfg
        self.users, self.items = UserTower(cfg), ItemTower(cfg, genre_table)
        self.log_scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(-math.log(cfg.temperature)),  # SAFE: the temperature is asserted positive
                                         trainable=cfg.learn_temperature, name="log_scale")
        self.completion = layers.Dense(1)

    def scores(self, u, v):
        scale = tf.exp(tf.clip_by_value(self.log_scale, 0.0, math.log(100.0)))  # SAFE: clipped between 1 and 100
        return scale * tf.matmul(u, v, transpose_b=True)

    def call(self, inputs):
        user, hist, item = inputs
        u, v = self.users((user, hist)), self.items(item)
        return u, v, self.completion(u * v)[:, 0]
