import keras
import tensorflow as tf
from keras import layers

from layers_ import Attention, FeedForward, ScaleNorm, positional_encoding


class EncoderLayer(layers.Layer):

    def __init__(self, c):
        super().__init__()
        self.att = Attention(c["dim"], c["heads"], c["dropout"])
        self.ff = FeedForward(c["dim"], c["hidden"], c["dropout"])
        self.n1, self.n2 = ScaleNorm(), ScaleNorm()

    def call(self, x, mask, training=False):
        y = self.n1(x)
        x = x + self.att(y, y, mask, training=training)
        return x + self.ff(self.n2(x), training=training)


class DecoderLayer(layers.Layer):

    def __init__(self, c):
        super().__init__()
        self.own = Attention(c["dim"], c["heads"], c["dropout"])
        self.cross = Attention(c["dim"], c["heads"], c["dropout"])
        self.ff = FeedForward(c["dim"], c["hidden"], c["dropout"])
        self.n1, self.n2, self.n3 = ScaleNorm(), ScaleNorm(), ScaleNorm()

    def call(self, x, memory, causal, src_mask, training=False):
        y = self.n1(x)
        x = x + self.own(y, y, causal, training=training)
        x = x + self.cross(self.n2(x), memory, src_mask, training=training)
        return x + self.ff(self.n3(x), training=training)


class Transformer(keras.Model):

    def __init__(self, c):
        super().__init__()
        self.c = c
        init = keras.initializers.RandomNormal(stddev=c["dim"] ** -0.5)  # SAFE: dim is a positive constant
        self.emb = layers.Embedding(c["vocab"], c["dim"], embeddings_initializer=init)
        self.pos = positional_encoding(c["max_len"], c["dim"])
        self.enc = [EncoderLayer(c) for _ in range(c["layers"])]
        self.dec = [DecoderLayer(c) for _ in range(c["layers"])]
        self.n_enc, self.n_dec = ScaleNorm(), ScaleNorm()
        self.bias = self.add_weight(shape=(c["vocab"],), initializer="zeros", name="out_bias")  # SAFE: only the bias is zero

    def embed(self, ids):
        return self.emb(ids) * self.c["dim"] ** 0.5 + self.pos[: tf.shape(ids)[1]]

    def encode(self, src, training=False):
        mask = tf.not_equal(src, 0)[:, None, None, :]
        x = self.embed(src)
        for l in self.enc:
            x = l(x, mask, training=training)
        return self.n_enc(x), mask

    def decode(self, tgt, memory, src_mask, training=False):
        n = tf.shape(tgt)[1]
        causal = tf.cast(tf.linalg.band_part(tf.ones([n, n]), -1, 0), tf.bool)[None, None]
        x = self.embed(tgt)
        for l in self.dec:
            x = l(x, memory, causal, src_mask, training=training)
        return tf.einsum("btd,vd->btv", self.n_dec(x), self.emb.embeddings) + self.bias

    def call(self, inputs, training=False):
        src, tgt = inputs
        memory, mask = self.encode(src, training=training)
        return self.decode(tgt, memory, mask, training=training)
