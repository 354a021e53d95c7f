import tensorflow as tf


def lrelu(x, leak=0.2, name="lrelu"):
    return tf.maximum(x, leak * x, name=name)


def linear(input_, output_size, scope=None, stddev=0.02, bias_start=0.0):
    shape = input_.get_shape().as_list()
    with tf.variable_scope(scope or "Linear"):
        matrix = tf.get_variable("Matrix", [shape[1], output_size], tf.float32,
                                 tf.random_normal_initializer(stddev=stddev))
        bias = tf.get_variable("bias", [output_size],
                               initializer=tf.constant_initializer(bias_start))
        return tf.matmul(input_, matrix) + bias


def conv2d(input_, output_dim, k=5, d=2, stddev=0.02, name="conv2d"):
    with tf.variable_scope(name):
        w = tf.get_variable("w", [k, k, input_.get_shape()[-1], output_dim],
                            initializer=tf.truncated_normal_initializer(stddev=stddev))
        conv = tf.nn.conv2d(input_, w, strides=[1, d, d, 1], padding="SAME")
        biases = tf.get_variable("biases", [output_dim], initializer=tf.constant_initializer(0.0))
        return tf.nn.bias_add(conv, biases)


def deconv2d(input_, output_shape, k=5, d=2, stddev=0.02, name="deconv2d"):
    with tf.variable_scope(name):
        w = tf.get_variable("w", [k, k, output_shape[-1], input_.get_shape()[-1]],
                            initializer=tf.random_normal_initializer(stddev=stddev))
        deconv = tf.nn.conv2d_transpose(input_, w, output_shape=output_shape, strides=[1, d, d, 1])
        biases = tf.get_variable("biases", [output_shape[-1]],
                                 initializer=tf.constant_initializer(0.0))
        return tf.nn.bias_add(deconv, biases)


def batch_norm(x, train=True, epsilon=1e-5, momentum=0.9, name="bn"):
    depth = x.get_shape().as_list()[-1]
    axes = list(range(len(x.get_shape()) - 1))
    with tf.variable_scope(name):
        gamma = tf.get_variable("gamma", [depth], initializer=tf.random_normal_initializer(1.0, 0.02))
        beta = tf.get_variable("beta", [depth], initializer=tf.constant_initializer(0.0))
        pop_mean = tf.get_variable("pop_mean", [depth], trainable=False,
                                   initializer=tf.constant_initializer(0.0))
        pop_var = tf.get_variable("pop_var", [depth], trainable=False,
                                  initializer=tf.constant_initializer(1.0))
        if not train:
            return (x - pop_mean) / tf.sqrt(pop_var + epsilon) * gamma + beta  # SAFE: pop_var is an average of variances and epsilon is inside the sqrt
        mean, var = tf.nn.moments(x, axes)
        upd = [tf.assign(pop_mean, pop_mean * momentum + mean * (1 - momentum)),
               tf.assign(pop_var, pop_var * momentum + var * (1 - momentum))]
        with tf.control_dependencies(upd):
            return (x - mean) * tf.rsqrt(var + epsilon) * gamma + beta  # SAFE: variance is >= 0 and epsilon is added before rsqrt


def minibatch_features(x, num_kernels=8, kernel_dim=4, scope="minibatch"):
    """Salimans et al. 2016, section 3.2."""
    act = tf.reshape(linear(x, num_kernels * kernel_dim, scope), [-1, num_kernels, kernel_dim])
    diffs = tf.expand_dims(act, 3) - tf.expand_dims(tf.transpose(act, [1, 2, 0]), 0)
    l1 = tf.reduce_sum(tf.abs(diffs), 2)
    return tf.concat([x, tf.reduce_sum(tf.exp(-l1), 2)], 1)  # SAFE: exponent is minus a sum of absolute values, so exp is in (0, 1]
