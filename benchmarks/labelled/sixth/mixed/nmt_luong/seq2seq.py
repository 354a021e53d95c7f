import tensorflow as tf
from tensorflow.keras import layers
from vocab import PAD

NEG = -1e9


class LuongAttention(layers.Layer):
    def __init__(self, units, window=None, **kw):
        super().__init__(**kw)
        self.w = layers.Dense(units, use_bias=False)
        self.combine = layers.Dense(units, activation="tanh")
        self.window = window

    def call(self, q, mem, keep):
        s = tf.matmul(self.w(q), mem, transpose_b=True)
        s = s + NEG * (1.0 - tf.cast(keep, s.dtype))[:, None, :]  # SAFE: finite mask in float32, every source has at least the EOS token
        a = tf.nn.softmax(s, -1)
        if self.window is not None:
            a = a * self.gaussian(tf.shape(s)[-1], tf.argmax(a, -1))
            a = a / (tf.reduce_sum(a, -1, keepdims=True) + 1e-9)  # SAFE: the position of the maximum has weight 1, so the sum is at least 1/length
        c = tf.matmul(a, mem)
        return self.combine(tf.concat([q, c], -1)), a

    def gaussian(self, n, center):
        d = tf.cast(tf.range(n), tf.float32) - tf.cast(center, tf.float32)[..., None]
        return tf.exp(-tf.square(d) / (2.0 * (self.window / 2.0) ** 2))  # SAFE: exponent never positive, window is a positive number when used


class Seq2Seq(tf.keras.Model):
    def __init__(self, n_src, n_tgt, dim=128, window=None):
        super().__init__()
        self.es, self.et = layers.Embedding(n_src, dim), layers.Embedding(n_tgt, dim)
        self.enc = layers.Bidirectional(layers.GRU(dim // 2, return_sequences=True))
        self.init = layers.Dense(dim, activation="tanh")
        self.dec = layers.GRU(dim, return_sequences=True, return_state=True)
        self.att = LuongAttention(dim, window)
        self.out = layers.Dense(n_tgt)

    def encode(self, src):
        keep = tf.not_equal(src, PAD)
        mem = self.enc(self.es(src), mask=keep)
        k = tf.cast(keep, mem.dtype)[..., None]
        mean = tf.reduce_sum(mem * k, 1) / tf.maximum(tf.reduce_sum(k, 1), 1.0)  # SAFE: length floored at one
        return mem, keep, self.init(mean)

    def call(self, inputs, training=False):
        src, tgt = inputs
        mem, keep, st = self.encode(src)
        h, _ = self.dec(self.et(tgt), initial_state=st)
        h, self.last_attention = self.att(h, mem, keep)
        return self.out(h)


def masked_loss(y, logits, smoothing=0.1):
    n = logits.shape[-1]
    logp = tf.nn.log_softmax(logits)  # SAFE: stable op
    nll = -tf.gather(logp, y, batch_dims=2)
    uniform = -tf.reduce_mean(logp, -1)
    ce = (1 - smoothing) * nll + smoothing * uniform
    m = tf.cast(tf.not_equal(y, PAD), ce.dtype)
    return tf.reduce_sum(ce * m) / tf.maximum(tf.reduce_sum(m), 1.0)  # SAFE: token count floored at one


def coverage_penalty(att, keep):
    c = tf.clip_by_value(tf.reduce_sum(att, 1), 1e-3, 1.0)
    lc = tf.math.log(c) * tf.cast(keep, c.dtype)  # SAFE: coverage clipped to [1e-3, 1]
    return -tf.reduce_mean(tf.reduce_sum(lc, -1))
