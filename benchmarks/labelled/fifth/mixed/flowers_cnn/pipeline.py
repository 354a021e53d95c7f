import os
import pathlib

import tensorflow as tf

from config import section

CFG = section("data")
AUTOTUNE = tf.data.AUTOTUNE


def class_names(root):
    return sorted(p.name for p in pathlib.Path(root).iterdir() if p.is_dir())


def decode(path, table, size):
    label = table.lookup(tf.strings.split(path, os.sep)[-2])
    img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return tf.image.resize(tf.cast(img, tf.float32) / 255.0, [size, size]), label


def augment(img, label):
    img = tf.image.random_flip_left_right(img)
    img = tf.image.random_brightness(img, CFG["brightness"])
    gamma = tf.random.uniform([], 0.8, 1.25)
    img = tf.pow(tf.clip_by_value(img, 0.0, 1.0), gamma)  # SAFE: clipped to [0, 1], exponent between 0.8 and 1.25, no gradient goes through
    return img, label


def grey_world(img):
    """Colour constancy: equal mean in each channel."""
    means = tf.reduce_mean(img, axis=[0, 1], keepdims=True)
    target = tf.reduce_mean(means)
    return tf.clip_by_value(img * (target / tf.maximum(means, 0.02)), 0.0, 1.0)  # SAFE: maximum with 0.02, black images stay 0


def mixup(images, labels, alpha):
    n = tf.shape(images)[0]
    g1 = tf.random.gamma([n], alpha)
    g2 = tf.random.gamma([n], alpha)
    lam = (g1 + 1e-6) / (g1 + g2 + 2e-6)  # SAFE: gamma samples are not negative, 2e-6 is added
    idx = tf.random.shuffle(tf.range(n))
    li = tf.reshape(lam, [-1, 1, 1, 1])
    ll = tf.reshape(lam, [-1, 1])
    return (li * images + (1.0 - li) * tf.gather(images, idx),
            ll * labels + (1.0 - ll) * tf.gather(labels, idx))


def datasets():
    names = class_names(CFG["root"])
    files = tf.data.Dataset.list_files(os.path.join(CFG["root"], "*", "*.jpg"), seed=0, shuffle=True)
    total = int(files.cardinality())
    n_val = int(total * CFG["val_fraction"])
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(names, tf.range(len(names), dtype=tf.int64)), -1)

    def prep(ds, training):
        ds = ds.map(lambda p: decode(p, table, CFG["size"]), AUTOTUNE)
        if training:
            ds = ds.shuffle(1000).map(augment, AUTOTUNE)
        ds = ds.map(lambda x, y: (grey_world(x), tf.one_hot(y, len(names))), AUTOTUNE)
        ds = ds.batch(CFG["batch"])
        if training:
            ds = ds.map(lambda x, y: mixup(x, y, CFG["mixup_alpha"]), AUTOTUNE)
        return ds.prefetch(AUTOTUNE)

    return prep(files.skip(n_val), True), prep(files.take(n_val), False), names
