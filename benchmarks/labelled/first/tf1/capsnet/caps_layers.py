import tensorflow as tf

from config import cfg


def squash(s, axis=-1):
    """v = |s|^2 / (1 + |s|^2) * s / |s|"""
    sq = tf.reduce_sum(tf.square(s), axis=axis, keep_dims=True)
    scale = sq / (1 + sq) / tf.sqrt(sq + cfg.epsilon)  # SAFE: 1 + sq >= 1 and the flag epsilon 1e-9 in the root
    return scale * s


def squash_norm(s, axis=-1):
    # shorter version
    n = tf.norm(s, axis=axis, keep_dims=True)  # MAYBE: norm-grad, capsules over a black patch are exactly 0 in the first step; the incoming gradient is 0 there as well, 0/0 before TF 1.13, masked later
    return n * s / (1 + tf.square(n))  # SAFE: denominator >= 1


def primary_caps(x, n_caps, dim, k, stride):
    h = tf.contrib.layers.conv2d(x, n_caps * dim, k, stride, padding='VALID', activation_fn=None)
    n = h.get_shape().as_list()
    return squash_norm(tf.reshape(h, [-1, n[1] * n[2] * n_caps, dim]))


def softmax(b, axis):
    m = tf.reduce_max(b, axis=axis, keep_dims=True)
    e = tf.exp(b - m)  # SAFE: shifted by the maximum
    return e / tf.reduce_sum(e, axis=axis, keep_dims=True)  # SAFE: sum >= 1


def digit_caps(u, n_out, dim_out, batch):
    """u: [batch, n_in, dim_in]"""
    _, n_in, dim_in = u.get_shape().as_list()
    W = tf.get_variable('W', [1, n_in, n_out * dim_out, dim_in], initializer=tf.random_normal_initializer(stddev=0.01))
    u_hat = tf.reduce_sum(W * tf.expand_dims(u, 2), -1)
    u_hat = tf.reshape(u_hat, [batch, n_in, n_out, dim_out])
    u_stop = tf.stop_gradient(u_hat)
    b = tf.zeros([batch, n_in, n_out, 1])
    for r in range(cfg.iter_routing):
        c = softmax(b, 2)
        if r == cfg.iter_routing - 1:
            v = squash(tf.reduce_sum(c * u_hat, 1, keep_dims=True))
        else:
            v = squash(tf.reduce_sum(c * u_stop, 1, keep_dims=True))
            b += tf.reduce_sum(u_stop * v, -1, keep_dims=True)
    return tf.squeeze(v, 1)
