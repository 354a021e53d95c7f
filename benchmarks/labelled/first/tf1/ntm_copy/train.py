import argparse

import numpy as np
import tensorflow as tf

from ntm_cell import NTMCell

ap = argparse.ArgumentParser()
ap.add_argument('--bits', type=int, default=8)
ap.add_argument('--max_len', type=int, default=20)
ap.add_argument('--batch', type=int, default=16)
ap.add_argument('--iters', type=int, default=100000)
ap.add_argument('--lr', type=float, default=1e-4)
ap.add_argument('--smooth', action='store_true')
args = ap.parse_args()


def copy_batch(n):
    seq = np.random.randint(0, 2, (args.batch, n, args.bits)).astype(np.float32)
    x = np.zeros((args.batch, 2 * args.max_len + 1, args.bits + 1), np.float32)
    y = np.zeros((args.batch, 2 * args.max_len + 1, args.bits), np.float32)
    m = np.zeros((args.batch, 2 * args.max_len + 1), np.float32)
    x[:, :n, :-1] = seq
    x[:, n, -1] = 1
    y[:, n + 1:2 * n + 1] = seq
    m[:, n + 1:2 * n + 1] = 1
    return x, y, m


T = 2 * args.max_len + 1
X = tf.placeholder(tf.float32, [args.batch, T, args.bits + 1])
Y = tf.placeholder(tf.float32, [args.batch, T, args.bits])
mask = tf.placeholder(tf.float32, [args.batch, T])

with tf.variable_scope('ntm', initializer=tf.random_normal_initializer(stddev=0.1)) as scope:
    cell = NTMCell(smooth=args.smooth)
    state = cell.zero_state(args.batch)
    outs = []
    for t in range(T):
        if t:
            scope.reuse_variables()
        o, state = cell(X[:, t], state)
        outs.append(tf.layers.dense(o, args.bits, name='logits'))
logits = tf.stack(outs, 1)
xent = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=Y, logits=logits), 2)  # SAFE: fused on logits
loss = tf.reduce_sum(xent * mask) / tf.reduce_sum(mask)  # SAFE: the feed always has batch * n >= 16 marked steps
wrong = tf.reduce_sum(tf.abs(tf.round(tf.sigmoid(logits)) - Y), 2)
bit_err = tf.reduce_sum(wrong * mask) / args.batch  # SAFE: positive flag, metric
params = tf.trainable_variables()
grads = [tf.clip_by_value(g, -10., 10.) for g in tf.gradients(loss, params)]
train = tf.train.RMSPropOptimizer(args.lr, momentum=0.9).apply_gradients(zip(grads, params))
entropy_w = -tf.reduce_mean(tf.reduce_sum(state.w * tf.log(state.w + 1e-12), 1))  # SAFE: monitored, epsilon

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(args.iters):
        n = np.random.randint(1, args.max_len + 1)
        x, y, m = copy_batch(n)
        _, l, e, ent = sess.run([train, loss, bit_err, entropy_w], {X: x, Y: y, mask: m})
        if i % 100 == 0:
            print(i, n, 'loss %.5f errors/seq %.2f focus %.3f' % (l, e, ent))
