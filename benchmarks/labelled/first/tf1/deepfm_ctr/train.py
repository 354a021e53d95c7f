import time

import numpy as np
import tensorflow as tf

import data
from config import get_args
from model import DeepFM


def evaluate(sess, m, args):
    ys, ps = [], []
    for y, d, c in data.batches(args.valid, args.batch, args.hash):
        ys.append(y)
        ps.append(sess.run(m.out, {m.dense: d, m.cat: c}))
    y, p = np.concatenate(ys), np.clip(np.concatenate(ps), 1e-6, 1 - 1e-6)
    ll = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))  # SAFE: clipped, evaluation
    return ll, data.auc(y, p)


def main():
    args = get_args()
    m = DeepFM(args)
    cfg = tf.ConfigProto(allow_soft_placement=True)
    with tf.Session(config=cfg) as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(args.epochs):
            t0 = time.time()
            n = 0
            for i, (y, d, c) in enumerate(data.batches(args.train, args.batch, args.hash)):
                _, l, ne = sess.run([m.train_op, m.loss, m.ne],
                                    {m.label: y, m.dense: d, m.cat: c, m.keep: args.keep, m.training: True})
                n += len(y)
                if i % 100 == 0:
                    print('%d/%d loss %.5f ne %.4f %.0f ex/s' % (ep, i, l, ne, n / (time.time() - t0)))  # SAFE: wall time, printing
            print('valid logloss %.5f auc %.5f' % evaluate(sess, m, args))


if __name__ == '__main__':
    main()
