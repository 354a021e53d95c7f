import tensorflow.compat.v1 as tf


def dense(x, units, std, name, activation=None):
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        fan_in = x.get_shape().as_list()[-1]
        w = tf.get_variable("w", [fan_in, units], initializer=tf.random_normal_initializer(stddev=std))
        b = tf.get_variable("b", [units], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
        return activation(y) if activation else y


def scaled_dense(x, units, name, activation=None):
    fan_in = x.get_shape().as_list()[-1]
    return dense(x, units, (2.0 / fan_in) ** 0.5, name, activation)  # SAFE: fan_in is a positive static size


def standardise(x, mean, std):
    return tf.clip_by_value((x - mean) / tf.maximum(std, 1e-3), -10.0, 10.0)  # SAFE: maximum with 1e-3


def l2_penalty(scale):
    ws = [v for v in tf.trainable_variables() if v.op.name.endswith("/w")]
    return scale * tf.add_n([tf.nn.l2_loss(w) for w in ws])


def masked_mean(x, mask):
    mask = tf.cast(mask, tf.float32)
    return tf.reduce_sum(x * mask) / (tf.reduce_sum(mask) + 1e-6)  # SAFE: a count plus 1e-6
