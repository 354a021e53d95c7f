import tensorflow as tf

import modules as M
import policy as P

PAD = 0


class Seq2Seq(tf.Module):
    def __init__(self, vocab, dim=64, heads=4, depth=2):
        super().__init__()
        self.dim = dim
        self.emb = tf.Variable(tf.random.normal([vocab, dim], stddev=dim ** -0.5))  # SAFE: dim is positive
        self.enc = [M.Block(dim, heads, False) for _ in range(depth)]
        self.dec = [M.Block(dim, heads, True) for _ in range(depth)]
        self.norm = M.LayerNorm(dim)

    def embed(self, ids):
        e = P.half(tf.gather(self.emb, ids)) * (self.dim ** 0.5)
        return e + M.positions(tf.shape(ids)[1], self.dim)

    def __call__(self, src, tgt):
        src_mask = tf.cast(src != PAD, tf.float32)[:, None, None, :]
        n = tf.shape(tgt)[1]
        causal = tf.linalg.band_part(tf.ones([n, n]), -1, 0)[None, None]
        x = self.embed(src)
        for b in self.enc:
            x = b(x, src_mask)
        y = self.embed(tgt)
        for b in self.dec:
            y = b(y, causal, x, src_mask)
        return tf.matmul(P.full(self.norm(y)), self.emb, transpose_b=True)


def smoothed_loss(logits, target):
    """Cross entropy with label smoothing, in float32."""
    v = tf.cast(tf.shape(logits)[-1], tf.float32)
    lp = tf.nn.log_softmax(logits)  # SAFE: logits are float32 and log_softmax is stable
    hot = tf.one_hot(target, tf.shape(logits)[-1])
    soft = hot * (1.0 - P.LABEL_SMOOTHING) + P.LABEL_SMOOTHING / v  # SAFE: vocabulary size is positive
    ce = -tf.reduce_sum(soft * lp, -1)
    w = tf.cast(target != PAD, tf.float32)
    return tf.reduce_sum(ce * w) / tf.maximum(tf.reduce_sum(w), 1.0)  # SAFE: token count floored at 1
