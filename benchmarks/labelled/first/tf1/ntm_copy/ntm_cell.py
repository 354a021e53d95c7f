import collections

import tensorflow as tf

from addressing import content_weights, sharpen, shift_weights

NTMState = collections.namedtuple('NTMState', 'controller read w M')


class NTMCell(object):
    def __init__(self, n_slots=128, dim=20, hidden=100, smooth=False):
        self.n_slots, self.dim, self.hidden = n_slots, dim, hidden
        self.smooth = smooth
        self.controller = tf.nn.rnn_cell.BasicLSTMCell(hidden)

    def zero_state(self, batch):
        w0 = tf.nn.softmax(tf.tile(tf.get_variable('w0', [1, self.n_slots], initializer=tf.zeros_initializer()), [batch, 1]))
        return NTMState(self.controller.zero_state(batch, tf.float32),
                        tf.zeros([batch, self.dim]), w0,
                        tf.zeros([batch, self.n_slots, self.dim]))

    def head(self, h, w_prev, M):
        k = tf.layers.dense(h, self.dim, tf.nn.tanh, name='k')
        beta = tf.nn.softplus(tf.layers.dense(h, 1, name='beta'))  # SAFE: library softplus
        g = tf.layers.dense(h, 1, tf.sigmoid, name='g')
        s = tf.nn.softmax(tf.layers.dense(h, 3, name='s'))
        gamma = 1.0 + tf.nn.softplus(tf.layers.dense(h, 1, name='gamma'))  # SAFE: library softplus
        w = content_weights(k, beta, M, self.smooth)
        w = g * w + (1 - g) * w_prev
        return sharpen(shift_weights(w, s), gamma)

    def __call__(self, x, st):
        h, c = self.controller(tf.concat([x, st.read], 1), st.controller)
        w = self.head(h, st.w, st.M)
        erase = tf.layers.dense(h, self.dim, tf.sigmoid, name='erase')
        add = tf.layers.dense(h, self.dim, tf.nn.tanh, name='add')
        w3 = tf.expand_dims(w, 2)
        M = st.M * (1 - w3 * tf.expand_dims(erase, 1)) + w3 * tf.expand_dims(add, 1)
        read = tf.reduce_sum(M * w3, 1)
        return tf.concat([h, read], 1), NTMState(c, read, w, M)
