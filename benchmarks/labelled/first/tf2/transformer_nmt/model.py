import tensorflow as tf
from tensorflow.keras import layers as L, Model
from layers import MHA, LayerNorm, RMSNorm, positional_encoding, gelu


class Block(L.Layer):
    def __init__(self, d, heads, ff, drop, cross=False, kind="dot"):
        super().__init__()
        self.att = MHA(d, heads, kind)
        self.cross = MHA(d, heads) if cross else None
        self.ff = tf.keras.Sequential([L.Dense(ff, activation=gelu), L.Dense(d)])
        self.n = [LayerNorm() for _ in range(3)]
        self.drop = L.Dropout(drop)

    def call(self, x, ctx=None, mask=None, cmask=None, training=False):
        y = self.n[0](x)
        x = x + self.drop(self.att(y, y, y, mask), training=training)
        if self.cross is not None:
            x = x + self.drop(self.cross(self.n[1](x), ctx, ctx, cmask), training=training)
        return x + self.drop(self.ff(self.n[2](x)), training=training)


class Transformer(Model):
    def __init__(self, src_vocab, tgt_vocab, d=256, heads=8, ff=1024, n=4, drop=0.1, kind="dot"):
        super().__init__()
        self.d = d
        self.se, self.te = L.Embedding(src_vocab, d), L.Embedding(tgt_vocab, d)
        self.pe = positional_encoding(512, d)
        self.enc = [Block(d, heads, ff, drop, kind=kind) for _ in range(n)]
        self.dec = [Block(d, heads, ff, drop, True) for _ in range(n)]
        self.bottleneck = L.Dense(d, activation="relu")
        self.mem_norm = RMSNorm()
        self.out = L.Dense(tgt_vocab)

    def embed(self, e, x):
        return e(x) * tf.sqrt(float(self.d)) + self.pe[None, : tf.shape(x)[1]]  # SAFE: root of the model width

    def call(self, inputs, training=False):
        s, t = inputs
        pad = tf.cast(tf.not_equal(s, 0), tf.float32)[:, None, None, :]
        causal = tf.linalg.band_part(tf.ones([tf.shape(t)[1]] * 2), -1, 0)[None, None]
        x = self.embed(self.se, s)
        for b in self.enc:
            x = b(x, mask=pad, training=training)
        x = self.mem_norm(self.bottleneck(x))
        y = self.embed(self.te, t)
        for b in self.dec:
            y = b(y, x, causal, pad, training=training)
        return self.out(y)
