import tensorflow as tf
from tensorflow.keras import layers


def masked_softmax(scores, mask):
    s = scores + (1.0 - mask) * -1e9
    s = s - tf.reduce_max(s, -1, keepdims=True)
    e = tf.exp(s) * mask  # SAFE: the row maximum was subtracted
    return e / (tf.reduce_sum(e, -1, keepdims=True) + 1e-9)  # SAFE: every text has a token, and the epsilon is float32


def kl(p, q):
    return tf.reduce_sum(p * tf.math.log(p / q), -1)  # BUG: zero-log-zero, the target is 0 on tokens that are not highlighted (0 * log 0) and both are 0 on padding (0/0)


def js(p, q):
    """Jensen-Shannon distance for the report, natural log."""
    m = 0.5 * (p + q) + 1e-9
    a = tf.reduce_sum(p * tf.math.log((p + 1e-9) / m), -1)  # SAFE: epsilon in numerator and denominator, float32
    b = tf.reduce_sum(q * tf.math.log((q + 1e-9) / m), -1)  # SAFE: same
    return 0.5 * (a + b)


class Reader(tf.keras.Model):
    def __init__(self, vocab, classes, dim=64, units=64):
        super().__init__()
        self.emb = layers.Embedding(vocab, dim)
        self.rnn = layers.Bidirectional(layers.GRU(units, return_sequences=True))
        self.score = tf.keras.Sequential([layers.Dense(units, "tanh"), layers.Dense(1)])
        self.out = layers.Dense(classes)

    def call(self, ids):
        mask = tf.cast(ids > 0, tf.float32)
        h = self.rnn(self.emb(ids))
        a = masked_softmax(self.score(h)[..., 0], mask)
        return self.out(tf.reduce_sum(a[..., None] * h, 1)), a


class Objective:
    def __init__(self, weights, guide=0.5, entropy=0.0):
        self.w, self.guide, self.entropy = tf.constant(weights), guide, entropy

    def attention_entropy(self, a):
        return -tf.reduce_sum(a * tf.math.log(tf.maximum(a, 1e-8)), -1)  # SAFE: floored inside the log

    def __call__(self, y, logits, a, target):
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)  # SAFE: the output layer has no activation
        loss = tf.reduce_mean(ce * tf.gather(self.w, y))
        if self.guide:
            loss += self.guide * tf.reduce_mean(kl(target, a))
        if self.entropy:
            loss += self.entropy * tf.reduce_mean(self.attention_entropy(a))
        return loss
