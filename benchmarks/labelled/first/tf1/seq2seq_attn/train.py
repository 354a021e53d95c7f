import os
import sys

import numpy as np
import tensorflow as tf

from config import Config
from model import Seq2Seq


def load(path, n):
    with open(path) as f:
        return [[int(t) for t in l.split()][:n] for l in f]


def batch_iter(src, tgt, cfg):
    order = np.random.permutation(len(src))
    for i in range(0, len(order), cfg.batch_size):
        idx = order[i:i + cfg.batch_size]
        s = [src[j] + [2] for j in idx]
        t = [tgt[j][:cfg.max_len - 1] + [2] for j in idx]
        n = max(map(len, s))
        S = np.array([a + [0] * (n - len(a)) for a in s])
        T = np.array([a + [0] * (cfg.max_len - len(a)) for a in t])
        Tin = np.concatenate([np.ones((len(t), 1), int), T[:, :-1]], 1)
        yield S, [len(a) for a in s], Tin, T, [len(a) for a in t]


def main():
    cfg = Config()
    data = sys.argv[1] if len(sys.argv) > 1 else 'data'
    src = load(os.path.join(data, 'train.src'), cfg.max_len)
    tgt = load(os.path.join(data, 'train.tgt'), cfg.max_len)
    ratio = sum(map(len, tgt)) / float(max(1, sum(map(len, src))))  # SAFE: max with 1
    print('length ratio %.2f' % ratio)
    m = Seq2Seq(cfg)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        step = 0
        while step < cfg.steps:
            for S, sl, Tin, T, tl in batch_iter(src, tgt, cfg):
                _, l, p, step = sess.run([m.train_op, m.loss, m.ppl, m.step],
                                         {m.src: S, m.src_len: sl, m.tgt_in: Tin, m.tgt_out: T,
                                          m.tgt_len: tl, m.keep: cfg.keep_prob})
                if step % 100 == 0:
                    print('step %d loss %.3f ppl %.1f' % (step, l, p))
                if step % 5000 == 0:
                    saver.save(sess, 'ckpt/s2s', step)


if __name__ == '__main__':
    main()
