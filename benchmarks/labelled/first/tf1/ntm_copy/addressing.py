import tensorflow as tf


def cosine_similarity(k, M):
    """k: [batch, dim], M: [batch, slots, dim]"""
    inner = tf.squeeze(tf.matmul(M, tf.expand_dims(k, 2)), 2)
    k_norm = tf.sqrt(tf.reduce_sum(tf.square(k), 1, keep_dims=True))  # BUG: sqrt-grad, key is tanh of a zero bias layer over a zero state at step 0 -> k = 0
    M_norm = tf.sqrt(tf.reduce_sum(tf.square(M), 2))  # BUG: sqrt-grad, memory starts with zeros
    return inner / (k_norm * M_norm)  # BUG: div-zero, zero memory at the first time step -> 0/0


def smooth_cosine_similarity(k, M, eps=1e-6):
    inner = tf.squeeze(tf.matmul(M, tf.expand_dims(k, 2)), 2)
    k2 = tf.reduce_sum(tf.square(k), 1, keep_dims=True)
    M2 = tf.reduce_sum(tf.square(M), 2)
    return inner / tf.sqrt(k2 * M2 + eps)  # SAFE: epsilon default in the root


def content_weights(k, beta, M, smooth=False):
    sim = smooth_cosine_similarity(k, M) if smooth else cosine_similarity(k, M)
    z = beta * sim
    z = z - tf.reduce_max(z, 1, keep_dims=True)
    e = tf.exp(z)  # SAFE: shifted by the maximum
    return e / tf.reduce_sum(e, 1, keep_dims=True)  # SAFE: sum >= 1


def shift_weights(w, s):
    n = w.get_shape().as_list()[1]
    rolled = tf.stack([tf.concat([w[:, n - 1:], w[:, :n - 1]], 1), w, tf.concat([w[:, 1:], w[:, :1]], 1)], 2)
    return tf.reduce_sum(rolled * tf.expand_dims(s, 1), 2)


def sharpen(w, gamma):
    p = tf.pow(w, gamma)  # MAYBE: base >= 0 and TF masks log(0) in the gradient; gamma >= 1
    return p / tf.reduce_sum(p, 1, keep_dims=True)  # BUG: div-zero, uniform w = 1/128 with gamma 22 underflows everywhere -> 0/0
