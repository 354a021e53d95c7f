import numpy as np
import tensorflow as tf

from tokenizer import MASK, PAD, SPECIAL


def mask_tokens(ids, vocab_size, rate=0.15):
    """BERT masking. Returns inputs, targets and weights (1.0 at the positions to predict)."""
    special = ids < len(SPECIAL)
    pick = tf.logical_and(tf.random.uniform(tf.shape(ids)) < rate, tf.logical_not(special))
    dice = tf.random.uniform(tf.shape(ids))
    noise = tf.random.uniform(tf.shape(ids), len(SPECIAL), vocab_size, dtype=ids.dtype)
    x = tf.where(tf.logical_and(pick, dice < 0.8), tf.cast(MASK, ids.dtype), ids)
    x = tf.where(tf.logical_and(pick, dice >= 0.9), noise, x)
    return x, ids, tf.cast(pick, tf.float32)


def dataset(tokenizer, lines, length, batch_size, rate, training=True):
    enc = np.array([tokenizer.encode(l, length) for l in lines], "int32")
    ds = tf.data.Dataset.from_tensor_slices(enc)
    if training:
        ds = ds.shuffle(min(len(enc), 50000))
    ds = ds.batch(batch_size, drop_remainder=False)
    n = len(tokenizer.vocab)
    return ds.map(lambda b: mask_tokens(b, n, rate), num_parallel_calls=2).prefetch(2)


def padding_mask(ids):
    return tf.cast(tf.not_equal(ids, PAD), tf.float32)
