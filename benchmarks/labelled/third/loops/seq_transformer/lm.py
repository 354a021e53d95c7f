import tensorflow as tf

from blocks import Block, RMSNorm, sinusoid

PAD = 0


class LanguageModel(tf.keras.Model):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.emb = tf.keras.layers.Embedding(hp.vocab, hp.d_model, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=0.02))
        self.pos = tf.constant(sinusoid(hp.maxlen, hp.d_model))
        self.blocks = [Block(hp) for _ in range(hp.layers)]
        self.norm = RMSNorm()
        self.head = tf.keras.layers.Dense(hp.vocab, dtype="float32")

    def call(self, ids, training=False):
        t = tf.shape(ids)[1]
        x = self.emb(ids)
        x = x + tf.cast(self.pos[:t], x.dtype)[None]
        causal = tf.linalg.band_part(tf.ones((t, t)), -1, 0)
        for blk in self.blocks:
            x = blk(x, mask=causal[None, None], training=training)
        return self.head(self.norm(x))


def lm_loss(logits, targets):
    keep = tf.cast(tf.not_equal(targets, PAD), tf.float32)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)  # SAFE: the head has no activation and is float32
    return tf.reduce_sum(ce * keep) / tf.maximum(tf.reduce_sum(keep), 1.0)  # SAFE: the divisor is at least 1


def perplexity(loss):
    return tf.exp(tf.minimum(loss, 20.0))  # SAFE: exponent at most 20
