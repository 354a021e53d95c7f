"""tf.data input pipeline: png images with one binary mask each."""
import glob
import os

import tensorflow as tf


def list_pairs(root, split):
    images = sorted(glob.glob(os.path.join(root, split, "images", "*.png")))
    masks = [p.replace("images", "masks") for p in images]
    return images, masks


def load_pair(image_path, mask_path, size):
    image = tf.io.decode_png(tf.io.read_file(image_path), channels=3)
    mask = tf.io.decode_png(tf.io.read_file(mask_path), channels=1)
    image = tf.image.resize(image, [size, size])
    mask = tf.image.resize(mask, [size, size], method="nearest")
    return preprocess(image, mask)


def preprocess(image, mask):
    image = tf.cast(image, tf.float32) / 255.0
    image = tf.image.per_image_standardization(image)  # SAFE: the op bounds the deviation below by 1/sqrt(N), so blank images give zeros
    mask = tf.cast(mask > 127, tf.float32)
    return image, mask


def random_crop_flip(image, mask, size):
    both = tf.concat([image, mask], axis=-1)
    both = tf.image.random_flip_left_right(both)
    both = tf.image.random_flip_up_down(both)
    crop = tf.cast(0.8 * size, tf.int32)
    both = tf.image.random_crop(both, [crop, crop, both.shape[-1]])
    both = tf.image.resize(both, [size, size], method="nearest")
    return both[..., :-1], both[..., -1:]


def make_dataset(cfg, split, training):
    images, masks = list_pairs(cfg.data_root, split)
    ds = tf.data.Dataset.from_tensor_slices((images, masks))
    if training:
        ds = ds.shuffle(len(images), seed=cfg.seed)
    ds = ds.map(lambda i, m: load_pair(i, m, cfg.image_size), num_parallel_calls=tf.data.AUTOTUNE)
    if training:
        ds = ds.map(lambda i, m: random_crop_flip(i, m, cfg.image_size),
                    num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(cfg.batch_size, drop_remainder=training).prefetch(tf.data.AUTOTUNE)
