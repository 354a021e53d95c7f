import os

import numpy as np
import tensorflow as tf

from config import CFG

AUTOTUNE = tf.data.AUTOTUNE
MEAN = tf.constant([0.485, 0.456, 0.406])
STD = tf.constant([0.229, 0.224, 0.225])


def list_images(root):
    classes = sorted(d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d)))
    paths, labels = [], []
    for i, c in enumerate(classes):
        for f in sorted(os.listdir(os.path.join(root, c))):
            if f.lower().endswith((".jpg", ".jpeg", ".png")):
                paths.append(os.path.join(root, c, f))
                labels.append(i)
    return np.array(paths), np.array(labels, np.int32)


def class_weights(labels, num_classes):
    counts = np.bincount(labels, minlength=num_classes)
    w = len(labels) / (num_classes * np.maximum(counts, 1))  # SAFE: counts floored at one
    return {i: float(v) for i, v in enumerate(np.clip(w, 0.2, 5.0))}


def load(path, label):
    img = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    img = tf.image.resize(img, [CFG.image_size, CFG.image_size])
    return normalise(img), tf.one_hot(label, CFG.num_classes)


def normalise(img):
    img = tf.cast(img, tf.float32) / 255.0
    return (img - MEAN) / STD  # SAFE: STD is a non-zero constant


def contrast(img):
    """Per image stretch, used as augmentation on half of the images."""
    lo = tf.reduce_min(img, axis=[0, 1], keepdims=True)
    hi = tf.reduce_max(img, axis=[0, 1], keepdims=True)
    return tf.math.divide_no_nan(img - lo, hi - lo) * 2.0 - 1.0  # SAFE: divide_no_nan gives 0 on flat images


def augment(img, label):
    img = tf.image.random_flip_left_right(img)
    img = tf.image.random_brightness(img, 0.1)
    if tf.random.uniform([]) < 0.5:
        img = contrast(img)
    return img, label


def make_dataset(paths, labels, training):
    ds = tf.data.Dataset.from_tensor_slices((paths, labels))
    if training:
        ds = ds.shuffle(len(paths), seed=CFG.seed)
    ds = ds.map(load, num_parallel_calls=AUTOTUNE)
    if training:
        ds = ds.map(augment, num_parallel_calls=AUTOTUNE)
    return ds.batch(CFG.batch_size).prefetch(AUTOTUNE)
