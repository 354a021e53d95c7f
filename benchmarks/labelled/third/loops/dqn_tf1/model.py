import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def conv(x, filters, size, stride, name):
    with tf.variable_scope(name):
        c = x.get_shape().as_list()[-1]
        w = tf.get_variable('kernel', [size, size, c, filters],
                            initializer=tf.variance_scaling_initializer(2.0))
        b = tf.get_variable('bias', [filters], initializer=tf.zeros_initializer())
        return tf.nn.relu(tf.nn.conv2d(x, w, [1, stride, stride, 1], 'VALID') + b)


def dense(x, units, name, act=None):
    with tf.variable_scope(name):
        d = x.get_shape().as_list()[-1]
        w = tf.get_variable('kernel', [d, units], initializer=tf.variance_scaling_initializer(2.0))
        b = tf.get_variable('bias', [units], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
        return y if act is None else act(y)


def dueling_q(frames, n_actions, scope):
    """frames: uint8 [N, 84, 84, 4]"""
    with tf.variable_scope(scope):
        x = tf.cast(frames, tf.float32) / 255.0  # SAFE: constant divisor, this is the pixel scaling
        x = conv(x, 32, 8, 4, 'c1')
        x = conv(x, 64, 4, 2, 'c2')
        x = conv(x, 64, 3, 1, 'c3')
        x = tf.reshape(x, [-1, 7 * 7 * 64])
        adv = dense(dense(x, 512, 'a1', tf.nn.relu), n_actions, 'a2')
        val = dense(dense(x, 512, 'v1', tf.nn.relu), 1, 'v2')
        return val + adv - tf.reduce_mean(adv, axis=1, keepdims=True)


class DoubleDQN(object):
    def __init__(self, n_actions, gamma=0.99, lr=2.5e-4, grad_norm=10.0):
        f = [None, 84, 84, 4]
        self.s = tf.placeholder(tf.uint8, f, 's')
        self.s2 = tf.placeholder(tf.uint8, f, 's2')
        self.a = tf.placeholder(tf.int32, [None], 'a')
        self.r = tf.placeholder(tf.float32, [None], 'r')
        self.done = tf.placeholder(tf.float32, [None], 'done')
        self.w = tf.placeholder(tf.float32, [None], 'w')

        self.q = dueling_q(self.s, n_actions, 'online')
        q_target = dueling_q(self.s2, n_actions, 'target')
        with tf.variable_scope('', reuse=True):
            q2_online = dueling_q(self.s2, n_actions, 'online')
        best = tf.argmax(q2_online, axis=1, output_type=tf.int32)
        q_best = tf.reduce_sum(q_target * tf.one_hot(best, n_actions), axis=1)
        y = tf.stop_gradient(self.r + gamma * (1.0 - self.done) * q_best)
        q_sel = tf.reduce_sum(self.q * tf.one_hot(self.a, n_actions), axis=1)
        self.td = y - q_sel
        abs_td = tf.abs(self.td)
        huber = tf.where(abs_td < 1.0, 0.5 * tf.square(self.td), abs_td - 0.5)  # SAFE: both branches and their gradients are finite
        self.loss = tf.reduce_mean(self.w * huber)

        online = tf.trainable_variables('online')
        target = tf.trainable_variables('target')
        opt = tf.train.RMSPropOptimizer(lr, decay=0.95, epsilon=0.01)  # SAFE: large epsilon under the root, gradients clipped
        grads, _ = tf.clip_by_global_norm(tf.gradients(self.loss, online), grad_norm)  # SAFE: loss is finite; zero norm is handled by clip_by_global_norm
        self.train_op = opt.apply_gradients(list(zip(grads, online)))
        self.sync_op = tf.group(*[t.assign(o) for o, t in zip(online, target)])
