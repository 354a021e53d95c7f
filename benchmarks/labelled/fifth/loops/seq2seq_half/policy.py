"""Numeric settings of the mixed precision run."""
import tensorflow as tf

COMPUTE = tf.float16
STORE = tf.float32

MASK_VALUE = -1e9
NORM_EPS = 1e-6
LABEL_SMOOTHING = 0.1
INIT_SCALE = 2.0 ** 13


def half(x):
    return tf.cast(x, COMPUTE)


def full(x):
    return tf.cast(x, STORE)
