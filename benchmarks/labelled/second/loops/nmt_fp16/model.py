import tensorflow as tf
from tensorflow.keras import layers

from config import PAD
from layers import Block, positional_encoding


class PrefixLM(tf.keras.Model):
    """Decoder only translation model: source and target in one sequence."""

    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.embed = layers.Embedding(hp.vocab, hp.d_model)
        self.pos = tf.constant(positional_encoding(hp.max_len, hp.d_model))
        self.blocks = [Block(hp) for _ in range(hp.layers)]
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.logits = layers.Dense(hp.vocab)

    def attention_mask(self, tokens):
        n = tf.shape(tokens)[1]
        causal = tf.linalg.band_part(tf.ones([n, n]), -1, 0)
        visible = tf.cast(tf.not_equal(tokens, PAD), tf.float32)[:, None, None, :]
        return causal[None, None] * visible

    def call(self, tokens, training=False):
        mask = self.attention_mask(tokens)
        x = self.embed(tokens)
        x = x * tf.cast(self.hp.d_model, x.dtype) ** 0.5
        x = x + tf.cast(self.pos[:, :tf.shape(tokens)[1]], x.dtype)
        for block in self.blocks:
            x = block(x, mask, training=training)
        return tf.cast(self.logits(self.norm(x)), tf.float32)


def token_loss(labels, logits, smoothing):
    vocab = tf.shape(logits)[-1]
    off = smoothing / tf.cast(vocab - 1, tf.float32)  # SAFE: the vocabulary has thousands of entries
    soft = tf.one_hot(labels, vocab, on_value=1.0 - smoothing, off_value=off)
    ce = tf.nn.softmax_cross_entropy_with_logits(labels=soft, logits=logits)  # SAFE: logits are cast to float32 before the loss
    keep = tf.cast(tf.not_equal(labels, PAD), tf.float32)
    return tf.reduce_sum(ce * keep) / tf.maximum(tf.reduce_sum(keep), 1.0)  # SAFE: token count floored at 1
