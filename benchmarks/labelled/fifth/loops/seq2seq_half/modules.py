import math

import tensorflow as tf

import policy as P


class Linear(tf.Module):
    def __init__(self, n_in, n_out, name=None):
        super().__init__(name)
        lim = math.sqrt(6.0 / (n_in + n_out))  # SAFE: sizes are positive
        self.w = tf.Variable(tf.random.uniform([n_in, n_out], -lim, lim))
        self.b = tf.Variable(tf.zeros([n_out]))

    def __call__(self, x):
        return tf.matmul(x, P.half(self.w)) + P.half(self.b)


class LayerNorm(tf.Module):
    """Statistics are taken in float32."""

    def __init__(self, dim, name=None):
        super().__init__(name)
        self.g = tf.Variable(tf.ones([dim]))
        self.b = tf.Variable(tf.zeros([dim]))

    def __call__(self, x):
        x = P.full(x)
        mean, var = tf.nn.moments(x, -1, keepdims=True)
        y = (x - mean) * tf.math.rsqrt(var + P.NORM_EPS)  # SAFE: computed in float32, where 1e-6 is representable; a zero row gives rsqrt(1e-6)
        return P.half(y * self.g + self.b)


class Attention(tf.Module):
    def __init__(self, dim, heads, name=None):
        super().__init__(name)
        assert dim % heads == 0
        self.h, self.d = heads, dim // heads
        self.q, self.k, self.v, self.o = (Linear(dim, dim) for _ in range(4))

    def split(self, x):
        s = tf.shape(x)
        return tf.transpose(tf.reshape(x, [s[0], s[1], self.h, self.d]), [0, 2, 1, 3])

    def __call__(self, q, kv, mask):
        qh = self.split(self.q(q)) * (self.d ** -0.5)  # SAFE: head size is a positive integer
        s = tf.matmul(qh, self.split(self.k(kv)), transpose_b=True)
        bias = (1.0 - P.half(mask)) * tf.cast(P.MASK_VALUE, s.dtype)  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for the visible positions
        a = tf.nn.softmax(P.full(s + bias))
        c = tf.matmul(P.half(a), self.split(self.v(kv)))
        sh = tf.shape(c)
        return self.o(tf.reshape(tf.transpose(c, [0, 2, 1, 3]), [sh[0], sh[2], self.h * self.d]))


class Block(tf.Module):
    def __init__(self, dim, heads, cross, name=None):
        super().__init__(name)
        self.n1, self.n3 = LayerNorm(dim), LayerNorm(dim)
        self.n2 = LayerNorm(dim) if cross else None
        self.self_att = Attention(dim, heads)
        self.cross_att = Attention(dim, heads) if cross else None
        self.f1, self.f2 = Linear(dim, 4 * dim), Linear(4 * dim, dim)

    def __call__(self, x, mask, mem=None, mem_mask=None):
        y = self.n1(x)
        x = x + self.self_att(y, y, mask)
        if self.cross_att is not None:
            x = x + self.cross_att(self.n2(x), mem, mem_mask)
        return x + self.f2(tf.nn.relu(self.f1(self.n3(x))))


def positions(n, dim):
    pos = tf.range(n, dtype=tf.float32)[:, None]
    i = tf.range(0, dim, 2, dtype=tf.float32)[None]
    ang = pos / tf.pow(10000.0, i / dim)  # SAFE: divisor between 1 and 10000, float32
    return P.half(tf.concat([tf.sin(ang), tf.cos(ang)], -1))
