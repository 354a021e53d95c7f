"""Search queries and product titles, one per line, already split in word pieces ids."""
import tensorflow as tf

from settings import CLS, MASK, N_SPECIAL, SEP


def parse_line(line, max_len):
    ids = tf.strings.to_number(tf.strings.split(line), tf.int32)[: max_len - 2]
    ids = tf.concat([[CLS], ids, [SEP]], axis=0)
    return tf.pad(ids, [[0, max_len - tf.shape(ids)[0]]])


def apply_masking(ids, vocab_size, rate):
    shape = tf.shape(ids)
    maskable = ids >= N_SPECIAL
    chosen = tf.logical_and(tf.random.uniform(shape) < rate, maskable)
    roll = tf.random.uniform(shape)
    inputs = tf.where(tf.logical_and(chosen, roll < 0.8), MASK, ids)
    swap = tf.logical_and(chosen, roll >= 0.9)
    rand_ids = tf.random.uniform(shape, N_SPECIAL, vocab_size, dtype=tf.int32)
    inputs = tf.where(swap, rand_ids, inputs)
    return {"inputs": inputs, "targets": ids, "weights": tf.cast(chosen, tf.float32)}


def make_dataset(pattern, cfg, training=True):
    ds = tf.data.TextLineDataset(tf.io.gfile.glob(pattern))
    ds = ds.filter(lambda s: tf.strings.length(s) > 0)
    if training:
        ds = ds.shuffle(100000).repeat()
    ds = ds.map(lambda s: parse_line(s, cfg.max_len), num_parallel_calls=tf.data.AUTOTUNE)
    ds = ds.batch(cfg.batch_size, drop_remainder=True)
    ds = ds.map(lambda x: apply_masking(x, cfg.vocab_size, cfg.mask_rate))
    return ds.prefetch(tf.data.AUTOTUNE)
