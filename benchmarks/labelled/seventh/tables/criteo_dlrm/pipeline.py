import tensorflow as tf

from schema import CAT_COLS, DEFAULTS, INT_COLS


def parse(line):
    fields = tf.io.decode_csv(line, DEFAULTS, field_delim="\t", use_quote_delim=False)
    n = len(INT_COLS)
    return {"ints": tf.stack(fields[1:n + 1], -1), "cats": tf.stack(fields[n + 1:], -1)}, fields[0]


def transform(x, y, buckets):
    dense = tf.math.log(x["ints"] + 1.0)  # BUG: domain, column I2 of the Criteo data has values of -1 and below
    cats = tf.stack([tf.strings.to_hash_bucket_fast(x["cats"][..., i], buckets)
                     for i in range(len(CAT_COLS))], -1)
    missing = tf.cast(tf.equal(x["cats"], ""), tf.float32)
    return {"dense": dense, "cats": cats, "missing": tf.reduce_mean(missing, -1, keepdims=True)}, y


def make_dataset(path, batch, buckets, training):
    ds = tf.data.TextLineDataset(path, buffer_size=1 << 20)
    if training:
        ds = ds.shuffle(batch * 16)
    ds = ds.batch(batch, drop_remainder=training)
    ds = ds.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    ds = ds.map(lambda x, y: transform(x, y, buckets), num_parallel_calls=tf.data.AUTOTUNE)
    return ds.prefetch(tf.data.AUTOTUNE)
