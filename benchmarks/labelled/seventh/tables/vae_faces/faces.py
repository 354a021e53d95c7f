import pathlib

import numpy as np
import tensorflow as tf

SIZE = 32


def decode(path):
    img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    img = tf.image.resize(img, [SIZE, SIZE])  # MAYBE: the place where a division by 255 is missing, see vae.py
    img.set_shape([SIZE, SIZE, 3])
    return img


def augment(img):
    img = tf.image.random_flip_left_right(img)
    return tf.image.random_crop(tf.pad(img, [[2, 2], [2, 2], [0, 0]]), [SIZE, SIZE, 3])


def dataset(folder, batch, training=True):
    files = sorted(str(p) for p in pathlib.Path(folder).glob("*.jpg"))
    ds = tf.data.Dataset.from_tensor_slices(files)
    if training:
        ds = ds.shuffle(len(files)).map(lambda p: augment(decode(p)), num_parallel_calls=2)
    else:
        ds = ds.map(decode, num_parallel_calls=2)
    return ds.batch(batch, drop_remainder=training).prefetch(1)


def to_grid(images, cols=8):
    rows = int(np.ceil(len(images) / cols))  # SAFE: cols is the constant eight
    out = np.zeros((rows * SIZE, cols * SIZE, 3), np.float32)
    for k, im in enumerate(images):
        r, c = divmod(k, cols)
        out[r * SIZE:(r + 1) * SIZE, c * SIZE:(c + 1) * SIZE] = im
    return out
