import tensorflow as tf

EPSILON = 1e-8


def entropy_map(prob):
    p = tf.cast(prob, tf.float32)
    return -tf.reduce_sum(p * tf.math.log(p + EPSILON), axis=-1)  # SAFE: cast to float32 first, where 1e-8 survives


def weighted_nll(labels, prob, weights):
    onehot = tf.one_hot(labels, prob.shape[-1], dtype=prob.dtype)
    logp = tf.math.log(prob + EPSILON)  # BUG: weak-guard, prob is float16 under the mixed policy and 1e-8 rounds to 0, softmax underflow gives log(0)
    nll = -tf.reduce_sum(onehot * logp, axis=-1)
    w = tf.gather(tf.cast(weights, prob.dtype), labels)
    return tf.reduce_mean(tf.cast(nll * w, tf.float32))


def boundary_weights(labels, sigma=3.0):
    x = tf.cast(labels, tf.float32)[..., None]
    edge = tf.nn.max_pool2d(x, 3, 1, "SAME") + tf.nn.max_pool2d(-x, 3, 1, "SAME")
    return 1.0 + tf.exp(-tf.square(1.0 - tf.minimum(edge, 1.0)) / (2.0 * sigma ** 2))  # SAFE: exponent is never positive, sigma is the default 3


def confusion(labels, pred, n):
    return tf.math.confusion_matrix(tf.reshape(labels, [-1]), tf.reshape(pred, [-1]), n, dtype=tf.float32)


def miou(cm):
    inter = tf.linalg.diag_part(cm)
    union = tf.reduce_sum(cm, 0) + tf.reduce_sum(cm, 1) - inter
    return tf.reduce_mean(tf.math.divide_no_nan(inter, union))  # SAFE: divide_no_nan for absent classes, metric only
