import tensorflow as tf


def instance_norm(x, name):
    c = x.get_shape().as_list()[-1]
    with tf.variable_scope(name):
        mu, sigma_sq = tf.nn.moments(x, [1, 2], keep_dims=True)
        shift = tf.get_variable("shift", [c], initializer=tf.zeros_initializer())
        scale = tf.get_variable("scale", [c], initializer=tf.ones_initializer())
        normalized = (x - mu) / (sigma_sq + 1e-3) ** 0.5  # SAFE: sigma_sq is a variance and 1e-3 is added inside the power
        return scale * normalized + shift


def conv(x, n, k, s, name, relu=True):
    with tf.variable_scope(name):
        c = x.get_shape().as_list()[-1]
        w = tf.get_variable("w", [k, k, c, n], initializer=tf.truncated_normal_initializer(stddev=0.1))
        x = instance_norm(tf.nn.conv2d(x, w, [1, s, s, 1], "SAME"), "in")
        return tf.nn.relu(x) if relu else x


def up(x, n, k, s, name):
    h, w = x.get_shape().as_list()[1:3]
    x = tf.image.resize_nearest_neighbor(x, [h * s, w * s])
    return conv(x, n, k, 1, name)


def net(image, width=32, blocks=3):
    x = conv(image / 255.0, width, 9, 1, "c1")
    x = conv(x, width * 2, 3, 2, "c2")
    x = conv(x, width * 4, 3, 2, "c3")
    for i in range(blocks):
        x = x + conv(conv(x, width * 4, 3, 1, "r%da" % i), width * 4, 3, 1, "r%db" % i, relu=False)
    x = up(x, width * 2, 3, 2, "u1")
    x = up(x, width, 3, 2, "u2")
    return tf.nn.tanh(conv(x, 3, 9, 1, "out", relu=False)) * 150.0 + 255.0 / 2
