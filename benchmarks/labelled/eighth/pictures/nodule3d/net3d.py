import tensorflow as tf
from tensorflow.keras import layers


class SpatialSoftmax(layers.Layer):
    """Attention pooling over the voxel grid."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.score = layers.Conv3D(1, 1)

    def call(self, f):
        s = self.score(f)
        shape = tf.shape(s)
        s = tf.reshape(s, [shape[0], -1])
        a = tf.exp(s - tf.reduce_max(s, 1, keepdims=True))  # SAFE: maximum subtracted, exponent is never positive
        a = a / tf.reduce_sum(a, 1, keepdims=True)  # SAFE: one term of the sum is exp(0) = 1
        f = tf.reshape(f, [shape[0], -1, f.shape[-1]])
        return tf.einsum("bn,bnc->bc", a, f)


def build(cfg, prior):
    w = cfg.width
    inp = tf.keras.Input((cfg.patch,) * 3 + (1,))
    x = layers.Conv3D(w, 3, padding="same", activation="relu")(inp)
    x = layers.Conv3D(w, 3, padding="same", activation="relu")(x)
    x = layers.MaxPool3D()(x)
    x = layers.Conv3D(w * 2, 3, padding="same", activation="relu")(x)
    x = layers.MaxPool3D()(x)
    x = layers.Conv3D(w * 4, 3, padding="same", activation="relu")(x)
    x = SpatialSoftmax()(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    logit = layers.Dense(1, kernel_initializer="zeros", bias_initializer=tf.keras.initializers.Constant(prior))(x)  # SAFE: only the last layer starts at zero, its own gradient is not zero
    return tf.keras.Model(inp, logit)


def focal_bce(y, logit, gamma=2.0):
    y = tf.reshape(y, [-1, 1])
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logit)  # SAFE: logits without activation
    pt = tf.exp(-ce)  # SAFE: ce is non-negative
    return tf.reduce_mean(tf.square(1.0 - pt) * ce)
