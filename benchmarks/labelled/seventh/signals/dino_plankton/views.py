import tensorflow as tf

import settings as S


def random_resized_crop(img, scale):
    area = tf.random.uniform([], *scale)
    side = tf.sqrt(area)  # SAFE: area is drawn from [0.15, 1.0]
    ratio = tf.exp(tf.random.uniform([], -0.28, 0.28))  # SAFE: argument limited to +-0.28
    h = tf.clip_by_value(side / tf.sqrt(ratio), 0.1, 1.0)  # SAFE: ratio is between 0.75 and 1.33
    w = tf.clip_by_value(side * tf.sqrt(ratio), 0.1, 1.0)  # SAFE: ratio is between 0.75 and 1.33
    y = tf.random.uniform([]) * (1.0 - h)
    x = tf.random.uniform([]) * (1.0 - w)
    return tf.image.crop_and_resize(img[None], [[y, x, y + h, x + w]], [0], [S.SIZE, S.SIZE])[0]


def photometric(img):
    img = tf.image.random_brightness(img, 0.3)
    img = tf.image.random_contrast(img, 0.6, 1.4)
    img = tf.clip_by_value(img, 0.0, 1.0)
    g = tf.random.uniform([], 0.7, 1.4)
    return tf.pow(img, g)  # SAFE: image clipped to [0, 1], exponent positive, data pipeline only


def whiten(img):
    m = tf.reduce_mean(img)
    s = tf.math.reduce_std(img)
    return (img - m) / tf.maximum(s, 1.0 / S.SIZE)  # SAFE: deviation floored at 1/48, empty crops become zeros


def make_views(img):
    img = tf.cast(img, tf.float32) / 255.0  # SAFE: constant
    out = []
    for scale in [S.GLOBAL_SCALE] * 2 + [S.LOCAL_SCALE] * S.N_LOCAL:
        v = tf.image.random_flip_left_right(random_resized_crop(img, scale))
        out.append(whiten(photometric(v)))
    return tf.stack(out)
