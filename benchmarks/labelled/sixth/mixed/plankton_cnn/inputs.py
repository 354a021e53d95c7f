import os
import glob
import tensorflow as tf

SIZE = 64


def list_files(root):
    classes = sorted(d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d)))
    files, labels = [], []
    for k, c in enumerate(classes):
        f = sorted(glob.glob(os.path.join(root, c, "*.png")))
        files += f
        labels += [k] * len(f)
    return files, labels, classes


def decode(path):
    return tf.io.decode_png(tf.io.read_file(path), channels=1)


def pad_square(img):
    h, w = tf.shape(img)[0], tf.shape(img)[1]
    s = tf.maximum(h, w)
    return tf.image.resize_with_crop_or_pad(255 - img, s, s)


def to_network_input(img, training=False):
    img = tf.image.resize(pad_square(img), (SIZE, SIZE))
    img = tf.image.convert_image_dtype(img, tf.float32)
    if training:
        img = tf.image.random_flip_left_right(img)
        img = tf.image.rot90(img, tf.random.uniform([], 0, 4, tf.int32))
    return img


def thumbnail(img):
    x = tf.image.convert_image_dtype(img, tf.float32)
    x = tf.image.resize(x, (16, 16))
    lo, hi = tf.reduce_min(x), tf.reduce_max(x)
    return (x - lo) / tf.maximum(hi - lo, 1e-3)  # SAFE: range floored, used for the image grid only


def dataset(files, labels, batch, training):
    ds = tf.data.Dataset.from_tensor_slices((files, labels))
    if training:
        ds = ds.shuffle(max(len(files), 1))
    ds = ds.map(lambda f, y: (to_network_input(decode(f), training), y), num_parallel_calls=2)
    return ds.batch(batch).prefetch(1)
