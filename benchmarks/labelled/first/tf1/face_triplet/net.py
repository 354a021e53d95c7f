import tensorflow as tf

slim = tf.contrib.slim


def inception_block(x, n, scope):
    with tf.variable_scope(scope):
        a = slim.conv2d(x, n, 1)
        b = slim.conv2d(slim.conv2d(x, n // 2, 1), n, 3)
        c = slim.conv2d(slim.max_pool2d(x, 3, 1, padding='SAME'), n // 2, 1)
        return tf.concat([a, b, c], 3)


def inference(images, keep, training, dim=128, wd=1e-4):
    bn = dict(is_training=training, decay=0.995, epsilon=0.001, updates_collections=None)  # SAFE: library batch norm
    with slim.arg_scope([slim.conv2d, slim.fully_connected],
                        weights_regularizer=slim.l2_regularizer(wd),
                        normalizer_fn=slim.batch_norm, normalizer_params=bn):
        h = slim.conv2d(images, 32, 5, stride=2)
        h = slim.max_pool2d(h, 2)
        h = inception_block(h, 64, 'b1')
        h = slim.max_pool2d(h, 2)
        h = inception_block(h, 128, 'b2')
        h = tf.reduce_mean(h, [1, 2])
        h = slim.dropout(h, keep, is_training=training)
        prelogits = slim.fully_connected(h, dim, activation_fn=None)
    return prelogits


def l2norm(x):
    return x / tf.sqrt(tf.reduce_sum(tf.square(x), 1, keep_dims=True) + 1e-10)  # SAFE: epsilon 1e-10 in the root
