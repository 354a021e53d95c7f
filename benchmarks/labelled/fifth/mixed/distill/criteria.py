import tensorflow as tf


def soft_target_kl(teacher_probs, student_logits, temperature):
    """KL(teacher || student) at the given temperature."""
    log_q = tf.nn.log_softmax(student_logits / temperature, axis=-1)  # SAFE: temperature 2.0 from the settings, log_softmax is stable
    kl = tf.reduce_sum(teacher_probs * (tf.math.log(teacher_probs) - log_q), axis=-1)  # BUG: zero-log-zero, teacher.dump stores float16, small probabilities become 0 and 0 * -Inf is NaN
    return tf.square(temperature) * tf.reduce_mean(kl)


def hard_target(labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def attention_transfer(teacher_feat, student_feat):
    """Compares the normalised energy of feature vectors."""
    a = tf.square(teacher_feat)
    b = tf.square(student_feat)
    a = a / (tf.reduce_sum(a, axis=-1, keepdims=True) + 1e-6)  # SAFE: sum of squares plus 1e-6
    b = b / (tf.reduce_sum(b, axis=-1, keepdims=True) + 1e-6)  # SAFE: sum of squares plus 1e-6
    return tf.reduce_mean(tf.reduce_sum(tf.abs(a - b), axis=-1))


def teacher_entropy(p):
    return -tf.reduce_sum(tf.math.xlogy(p, p), axis=-1)  # SAFE: xlogy is 0 for p = 0, the teacher gets no gradient


def confidence_weights(p, classes):
    h = teacher_entropy(p) / tf.math.log(tf.cast(classes, tf.float32))  # SAFE: 20 classes, log(20)
    w = 1.0 - tf.clip_by_value(h, 0.0, 0.95)
    return w / tf.reduce_mean(w)  # SAFE: every weight is at least 0.05


def js_monitor(p, q):
    m = 0.5 * (p + q)
    kl_p = tf.reduce_sum(tf.math.xlogy(p, p + 1e-8) - tf.math.xlogy(p, m + 1e-8), -1)  # SAFE: epsilon added, a metric
    kl_q = tf.reduce_sum(tf.math.xlogy(q, q + 1e-8) - tf.math.xlogy(q, m + 1e-8), -1)  # SAFE: epsilon added, a metric
    return 0.5 * tf.reduce_mean(kl_p + kl_q)
