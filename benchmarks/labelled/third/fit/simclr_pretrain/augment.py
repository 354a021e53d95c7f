import tensorflow as tf


def color_jitter(x, s=0.5):
    x = tf.image.random_brightness(x, 0.8 * s)
    x = tf.image.random_contrast(x, 1 - 0.8 * s, 1 + 0.8 * s)
    x = tf.image.random_saturation(x, 1 - 0.8 * s, 1 + 0.8 * s)
    x = tf.image.random_hue(x, 0.2 * s)
    return tf.clip_by_value(x, 0.0, 1.0)


def random_resized_crop(x, size, min_scale=0.2):
    shape = tf.shape(x)
    scale = tf.random.uniform((), min_scale, 1.0)
    ratio = tf.exp(tf.random.uniform((), tf.math.log(3.0 / 4.0), tf.math.log(4.0 / 3.0)))  # SAFE: logs of constants, exponent below 0.3
    h, w = tf.cast(shape[0], tf.float32), tf.cast(shape[1], tf.float32)
    ch = tf.cast(tf.minimum(h, h * tf.sqrt(scale / ratio)), tf.int32)  # SAFE: scale and ratio are positive
    cw = tf.cast(tf.minimum(w, w * tf.sqrt(scale * ratio)), tf.int32)  # SAFE: scale and ratio are positive
    x = tf.image.random_crop(x, (tf.maximum(ch, 1), tf.maximum(cw, 1), 3))
    return tf.image.resize(x, (size, size))


def gaussian_kernel(sigma, radius):
    t = tf.cast(tf.range(-radius, radius + 1), tf.float32)
    k = tf.exp(-tf.square(t) / (2.0 * tf.square(sigma)))  # SAFE: sigma is drawn from [0.1, 2]
    return k / tf.reduce_sum(k)  # SAFE: the centre of the kernel is exp(0) = 1


def blur(x, size):
    sigma = tf.random.uniform((), 0.1, 2.0)
    k = gaussian_kernel(sigma, max(size // 20, 1))
    kv = tf.tile(k[:, None, None, None], (1, 1, 3, 1))
    kh = tf.tile(k[None, :, None, None], (1, 1, 3, 1))
    y = tf.nn.depthwise_conv2d(x[None], kv, (1, 1, 1, 1), "SAME")
    return tf.nn.depthwise_conv2d(y, kh, (1, 1, 1, 1), "SAME")[0]


def view(x, size):
    """x: float image in [0, 1]."""
    x = random_resized_crop(x, size)
    x = tf.image.random_flip_left_right(x)
    if tf.random.uniform(()) < 0.8:
        x = color_jitter(x)
    if tf.random.uniform(()) < 0.2:
        x = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(x))
    if tf.random.uniform(()) < 0.5:
        x = blur(x, size)
    return tf.reshape(x, (size, size, 3))
