import tensorflow as tf


def discriminator_loss(d_real, d_fake, smooth=0.0):
    real = -(1.0 - smooth) * tf.math.log(d_real)  # BUG: log-sigmoid, d_real is the sigmoid head in models.py and underflows to 0
    fake = -tf.math.log(1.0 - d_fake)  # BUG: log-sigmoid, sigmoid output rounds to 1.0 for a logit above 17
    return tf.reduce_mean(real) + tf.reduce_mean(fake)


def generator_loss(d_fake):
    return -tf.reduce_mean(tf.math.log(d_fake))  # BUG: log-sigmoid, a confident discriminator gives exactly 0


def r1_penalty(discriminator, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = tf.reduce_sum(discriminator(images, training=True))
    grad = tape.gradient(score, images)
    return tf.reduce_mean(tf.reduce_sum(tf.square(grad), axis=[1, 2, 3]))  # SAFE: squared norm, no root


def mode_seeking(img_a, img_b, z_a, z_b):
    d_img = tf.reduce_mean(tf.abs(img_a - img_b))
    d_z = tf.reduce_mean(tf.abs(z_a - z_b))
    ratio = d_img / (d_z + 1e-5)  # SAFE: mean of absolute values plus 1e-5
    return 1.0 / (ratio + 1e-5)  # SAFE: ratio is non negative


def feature_kid(real, fake):
    """Polynomial kernel distance used only for logging."""
    dim = tf.cast(tf.shape(real)[-1], tf.float32)
    k_rr = tf.pow(tf.matmul(real, real, transpose_b=True) / dim + 1.0, 3.0)  # SAFE: dim is the static feature width; cubes of negatives are fine for exponent 3
    k_ff = tf.pow(tf.matmul(fake, fake, transpose_b=True) / dim + 1.0, 3.0)
    k_rf = tf.pow(tf.matmul(real, fake, transpose_b=True) / dim + 1.0, 3.0)
    return tf.reduce_mean(k_rr) + tf.reduce_mean(k_ff) - 2.0 * tf.reduce_mean(k_rf)
