import tensorflow as tf
from tensorflow.keras import layers


def build(n_classes, size=64, width=32):
    m = tf.keras.Sequential([layers.Input((size, size, 1))])
    for k in range(3):
        m.add(layers.Conv2D(width * 2 ** k, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        m.add(layers.Conv2D(width * 2 ** k, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        m.add(layers.MaxPooling2D())
    m.add(layers.Flatten())
    m.add(layers.Dense(256, activation="relu", kernel_initializer="he_normal"))
    m.add(layers.Dropout(0.5))  # SAFE: rate 0.5, inverse keep probability is 2
    m.add(layers.Dense(n_classes))
    return m


def balanced_ce(counts, beta=0.999):
    """Class balanced weights (effective number of samples) on logits."""
    eff = (1.0 - tf.pow(beta, tf.cast(tf.maximum(counts, 1), tf.float32))) / (1.0 - beta)  # SAFE: beta is a constant below one
    w = 1.0 / eff  # SAFE: counts are floored at 1, the effective number is at least 1
    w = w / tf.reduce_mean(w)

    def loss(y, logits):
        y = tf.cast(tf.reshape(y, [-1]), tf.int32)
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        return ce * tf.gather(w, y)
    return loss
