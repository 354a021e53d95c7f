import os

import numpy as np
import pandas as pd
import tensorflow as tf

from settings import IMAGE_SIZE, MAX_AGE, RACES


def parse_folder(folder):
    """UTKFace names: age_gender_race_date.jpg"""
    rows = []
    for name in sorted(os.listdir(folder)):
        parts = name.split('_')
        if len(parts) != 4 or not name.endswith('.jpg'):
            continue
        age, gender, race = int(parts[0]), int(parts[1]), int(parts[2])
        if race not in RACES or gender not in (0, 1):
            continue
        rows.append((os.path.join(folder, name), min(age, MAX_AGE), gender, race))
    return pd.DataFrame(rows, columns=['file', 'age', 'gender', 'race'])


def read_image(path):
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, (IMAGE_SIZE, IMAGE_SIZE))
    return tf.image.per_image_standardization(image)  # SAFE: TensorFlow bounds the deviation by 1/sqrt(N), constant pictures give 0


def augment(image, labels):
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 0.2)
    return image, labels


def make_dataset(df, batch_size, training):
    labels = {
        'age': df['age'].values.astype('float32') / MAX_AGE,
        'gender': df['gender'].values.astype('float32'),
        'race': df['race'].values.astype('int32'),
    }
    ds = tf.data.Dataset.from_tensor_slices((df['file'].values.astype(str), labels))
    if training:
        ds = ds.shuffle(len(df))
    ds = ds.map(lambda f, y: (read_image(f), y), num_parallel_calls=2)
    if training:
        ds = ds.map(augment)
    return ds.batch(batch_size).prefetch(1)


def inverse_frequency(values):
    counts = np.bincount(values, minlength=len(RACES)).astype('float64')
    w = 1.0 / np.sqrt(counts + 1.0)  # SAFE: one is added to counts >= 0
    return w / w.mean()
