import tensorflow as tf


def classification(pooled, labels, n_classes, is_training, smoothing=0.1):
    if is_training:
        pooled = tf.nn.dropout(pooled, 0.9)
    logits = tf.layers.dense(pooled, n_classes, name="cls", kernel_initializer=tf.truncated_normal_initializer(stddev=0.02))
    log_probs = tf.nn.log_softmax(logits, axis=-1)  # SAFE: log_softmax of finite logits is finite
    one_hot = tf.one_hot(labels, n_classes) * (1.0 - smoothing) + smoothing / n_classes  # SAFE: the number of classes is a positive constant
    per_example = -tf.reduce_sum(one_hot * log_probs, axis=-1)
    return tf.reduce_mean(per_example), logits


def tagging(sequence, labels, mask, n_tags):
    logits = tf.layers.dense(sequence, n_tags, name="tag", kernel_initializer=tf.truncated_normal_initializer(stddev=0.02))
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: the last layer is linear
    mask = tf.cast(mask, tf.float32)
    return tf.reduce_sum(nll * mask) / (tf.reduce_sum(mask) + 1e-5), logits  # SAFE: epsilon in the denominator


def matching(a, b, labels, margin=0.2):
    """Cosine similarity of two sentences, labels in {0, 1}."""
    dot = tf.reduce_sum(a * b, -1)
    na = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(a), -1), 1e-12))  # SAFE: floored before the root
    nb = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(b), -1), 1e-12))  # SAFE: floored before the root
    cos = dot / (na * nb)  # SAFE: each norm is at least 1e-6
    labels = tf.cast(labels, tf.float32)
    pos = tf.square(1.0 - cos)
    neg = tf.square(tf.maximum(cos - margin, 0.0))
    return tf.reduce_mean(labels * pos + (1.0 - labels) * neg), cos


def confidence_penalty(logits, beta=0.1):
    p = tf.nn.softmax(logits)
    entropy = -tf.reduce_sum(p * tf.log(p + 1e-8), axis=-1)  # SAFE: epsilon is added to a number between zero and one before the logarithm
    return -beta * tf.reduce_mean(entropy)


def bias_temperature(logits, log_t):
    return logits / tf.exp(tf.clip_by_value(log_t, -2.0, 3.0))  # SAFE: clipped exponent, the temperature is at least 0.13
