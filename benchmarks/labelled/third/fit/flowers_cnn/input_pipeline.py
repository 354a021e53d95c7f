import tensorflow as tf
from tensorflow import keras

import config


def to_model_range(images, labels):
    images = tf.cast(images, tf.float32)
    if config.IMAGE["rescale"]:
        images = images * config.IMAGE["rescale"]
    return images, labels  # BUG: raw-data, rescale is None in config.py so 0..255 pixels go into a plain CNN with SGD 0.01


def augment(images, labels):
    images = tf.image.random_flip_left_right(images)
    return images, labels


def mixup(images, labels, alpha=0.2):
    n = tf.shape(images)[0]
    a = tf.random.gamma((n,), alpha)
    b = tf.random.gamma((n,), alpha)
    lam = tf.clip_by_value(a / tf.maximum(a + b, 1e-8), 0.0, 1.0)  # SAFE: sum floored at 1e-8
    perm = tf.random.shuffle(tf.range(n))
    li = lam[:, None, None, None]
    ll = lam[:, None]
    return (images * li + tf.gather(images, perm) * (1.0 - li),
            labels * ll + tf.gather(labels, perm) * (1.0 - ll))


def class_weights(counts):
    total = float(sum(counts))
    return {i: total / (len(counts) * max(c, 1)) for i, c in enumerate(counts)}  # SAFE: an empty class counts as 1


def load(folder, subset):
    ds = keras.utils.image_dataset_from_directory(
        folder, validation_split=0.2, subset=subset, seed=1, image_size=config.IMAGE["size"],
        batch_size=config.TRAIN["batch"], label_mode="categorical", class_names=config.CLASSES)
    ds = ds.map(to_model_range)
    if subset == "training":
        ds = ds.map(augment).map(mixup)
    return ds.prefetch(2)
