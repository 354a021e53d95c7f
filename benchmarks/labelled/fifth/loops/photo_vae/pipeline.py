import os

import tensorflow as tf


def list_images(root, ext=(".jpg", ".jpeg", ".png")):
    out = []
    for base, _, files in os.walk(root):
        out += [os.path.join(base, f) for f in files if f.lower().endswith(ext)]
    return sorted(out)


def prepare(img, size):
    """Centre crop to a square, resize, convert to float."""
    shape = tf.shape(img)
    side = tf.minimum(shape[0], shape[1])
    img = tf.image.resize_with_crop_or_pad(img, side, side)
    img = tf.image.resize(img, [size, size], antialias=True)
    return tf.image.convert_image_dtype(img, tf.float32)


def read(path, size):
    img = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return prepare(img, size)


def augment(img):
    return tf.image.random_flip_left_right(img)


def dataset(root, size, batch, training):
    files = list_images(root)
    ds = tf.data.Dataset.from_tensor_slices(files)
    if training:
        ds = ds.shuffle(len(files))
    ds = ds.map(lambda p: read(p, size), tf.data.AUTOTUNE)
    if training:
        ds = ds.map(augment, tf.data.AUTOTUNE)
    return ds.batch(batch, drop_remainder=training).prefetch(tf.data.AUTOTUNE)


def thumbnails(imgs, cols=8):
    """Grid of reconstructions, values in [0, 1]."""
    n = (int(imgs.shape[0]) // cols) * cols
    rows = tf.split(imgs[:n], n // cols)
    return tf.concat([tf.concat(tf.unstack(r), 1) for r in rows], 0)
