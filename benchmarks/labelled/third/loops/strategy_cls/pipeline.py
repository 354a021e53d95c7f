import tensorflow as tf

MEAN = tf.constant([0.485, 0.456, 0.406])
STD = tf.constant([0.229, 0.224, 0.225])


def parse(serialized, size, training):
    ex = tf.io.parse_single_example(serialized, {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/label": tf.io.FixedLenFeature([], tf.int64)})
    img = tf.io.decode_jpeg(ex["image/encoded"], channels=3)
    img = tf.image.resize(img, (size, size)) / 255.0  # SAFE: constant divisor, pixels in [0, 1]
    if training:
        img = tf.image.random_flip_left_right(img)
    return normalize(img), tf.cast(ex["image/label"], tf.int32)


def normalize(img):
    return (img - MEAN) / STD  # SAFE: STD is a positive constant


def mixup(x, y, n_classes, alpha=0.2):
    """Beta(alpha, alpha) from two gammas"""
    g = tf.random.gamma([2, tf.shape(x)[0]], alpha)
    lam = g[0] / tf.maximum(g[0] + g[1], 1e-6)  # SAFE: gamma draws can underflow to 0 but the divisor is at least 1e-6
    lam = tf.clip_by_value(lam, 0.0, 1.0)
    perm = tf.random.shuffle(tf.range(tf.shape(x)[0]))
    hot = tf.one_hot(y, n_classes)
    x = x * lam[:, None, None, None] + tf.gather(x, perm) * (1.0 - lam[:, None, None, None])
    return x, hot * lam[:, None] + tf.gather(hot, perm) * (1.0 - lam[:, None])


def records(pattern, size, batch, n_classes, training):
    ds = tf.data.Dataset.list_files(pattern, shuffle=training).interleave(tf.data.TFRecordDataset)
    if training:
        ds = ds.shuffle(10000).repeat()
    ds = ds.map(lambda s: parse(s, size, training), tf.data.AUTOTUNE).batch(batch, drop_remainder=training)
    if training:
        return ds.map(lambda x, y: mixup(x, y, n_classes)).prefetch(2)
    return ds.map(lambda x, y: (x, tf.one_hot(y, n_classes))).prefetch(2)
