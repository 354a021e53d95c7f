import tensorflow as tf
from tensorflow import keras

import options as opt
from layers import RMSNorm, SelfAttention, TokenEmbedding


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.emb = TokenEmbedding(opt.VOCAB, opt.DIM)
        self.norms = [RMSNorm() for _ in range(2 * opt.LAYERS)]
        self.att = [SelfAttention(opt.DIM, opt.HEADS) for _ in range(opt.LAYERS)]
        self.up = [keras.layers.Dense(2 * opt.DIM, activation="relu") for _ in range(opt.LAYERS)]
        self.down = [keras.layers.Dense(opt.DIM) for _ in range(opt.LAYERS)]
        self.final = keras.layers.LayerNormalization(epsilon=1e-5, dtype="float32")  # SAFE: float32 layer, 1e-5 survives
        self.head = keras.layers.Dense(opt.TAGS, dtype="float32")

    def call(self, ids, training=False):
        keep = ids > 0
        x = self.emb(ids)
        for i in range(opt.LAYERS):
            x += self.att[i](self.norms[2 * i](x), keep)
            x += self.down[i](self.up[i](self.norms[2 * i + 1](x)))
        return self.head(self.final(x))


def tag_loss(tags, logits, keep):
    keep = tf.cast(keep, tf.float32)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tags, logits=tf.cast(logits, tf.float32))  # SAFE: fused and in float32
    return tf.reduce_sum(ce * keep) / tf.maximum(tf.reduce_sum(keep), 1.0)  # SAFE: floored at 1
