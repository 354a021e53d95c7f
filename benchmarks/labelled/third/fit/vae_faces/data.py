import os

import tensorflow as tf


def list_images(folder):
    names = [os.path.join(folder, f) for f in sorted(os.listdir(folder))]
    return [n for n in names if n.lower().endswith((".jpg", ".jpeg", ".png"))]


def center_crop_square(img):
    shape = tf.shape(img)
    side = tf.minimum(shape[0], shape[1])
    return tf.image.resize_with_crop_or_pad(img, side, side)


def decode(path, size):
    img = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return prepare(img, size)


def prepare(img, size):
    img = center_crop_square(img)
    img = tf.image.resize(img, (size, size), antialias=True)
    return tf.cast(img, tf.float32)


def make_dataset(cfg, training=True):
    files = list_images(cfg.data_dir)
    ds = tf.data.Dataset.from_tensor_slices(files)
    if training:
        ds = ds.shuffle(min(len(files), 20000), reshuffle_each_iteration=True)
    ds = ds.map(lambda p: decode(p, cfg.image_size), num_parallel_calls=tf.data.AUTOTUNE)
    if training:
        ds = ds.map(tf.image.random_flip_left_right)
    return ds.batch(cfg.batch_size, drop_remainder=training).prefetch(2)
