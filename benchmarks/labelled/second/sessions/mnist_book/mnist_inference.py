import tensorflow as tf

IMAGE_SIZE = 28
NUM_CHANNELS = 1
NUM_LABELS = 10
CONV1_DEEP = 32
CONV1_SIZE = 5
CONV2_DEEP = 64
CONV2_SIZE = 5
FC_SIZE = 512


def weight_variable(shape, regularizer=None):
    w = tf.get_variable("weight", shape, initializer=tf.truncated_normal_initializer(stddev=0.1))
    if regularizer is not None:
        tf.add_to_collection("losses", regularizer(w))
    return w


def bias_variable(shape, value=0.0):
    return tf.get_variable("bias", shape, initializer=tf.constant_initializer(value))


def contrast_normalize(images, eps=1e-4):
    mean, var = tf.nn.moments(images, [1, 2], keep_dims=True)
    return (images - mean) / tf.maximum(tf.sqrt(var), eps)  # SAFE: the maximum keeps the denominator positive and the input needs no gradient


def conv_block(x, size, deep, name):
    with tf.variable_scope(name):
        w = weight_variable([size, size, x.get_shape().as_list()[-1], deep])
        b = bias_variable([deep])
        conv = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME")
        h = tf.nn.relu(tf.nn.bias_add(conv, b))
        return tf.nn.max_pool(h, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def inference(input_tensor, train, regularizer, keep_prob=0.5):
    x = contrast_normalize(input_tensor)
    pool1 = conv_block(x, CONV1_SIZE, CONV1_DEEP, "layer1-conv1")
    pool2 = conv_block(pool1, CONV2_SIZE, CONV2_DEEP, "layer2-conv2")
    shape = pool2.get_shape().as_list()
    nodes = shape[1] * shape[2] * shape[3]
    reshaped = tf.reshape(pool2, [-1, nodes])

    with tf.variable_scope("layer5-fc1"):
        fc1_w = weight_variable([nodes, FC_SIZE], regularizer)
        fc1 = tf.nn.relu(tf.matmul(reshaped, fc1_w) + bias_variable([FC_SIZE], 0.1))
        if train:
            fc1 = tf.nn.dropout(fc1, keep_prob)

    with tf.variable_scope("layer6-fc2"):
        fc2_w = weight_variable([FC_SIZE, NUM_LABELS], regularizer)
        y = tf.nn.softmax(tf.matmul(fc1, fc2_w) + bias_variable([NUM_LABELS], 0.1))

    return y
