import argparse

import numpy as np
import tensorflow as tf

from model import GCN
from utils import load, normalize_adj, preprocess_features

ap = argparse.ArgumentParser()
ap.add_argument('--data', default='citeseer.npz')
ap.add_argument('--gat', action='store_true')
ap.add_argument('--smooth', type=float, default=0.1)
ap.add_argument('--epochs', type=int, default=200)
ap.add_argument('--dropout', type=float, default=0.5)
args = ap.parse_args()

adj, x, y, tr, va, te = load(args.data)
x = preprocess_features(x)
s = normalize_adj(adj + 0)
support = tf.SparseTensor(np.vstack((s.row, s.col)).T.astype(np.int64), s.data.astype(np.float32), s.shape)
support = tf.sparse_reorder(support)
dense_adj = tf.constant(adj.toarray().astype(np.float32))  # without self loops
model = GCN(x.shape[0], x.shape[1], y.shape[1], support, dense_adj, gat=args.gat, smooth=args.smooth)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    hist = []
    for ep in range(args.epochs):
        _, l, a = sess.run([model.train_op, model.loss, model.acc],
                           {model.x: x, model.y: y, model.mask: tr, model.keep: 1. - args.dropout})
        v = sess.run(model.loss, {model.x: x, model.y: y, model.mask: va})
        hist.append(v)
        if ep % 10 == 0:
            print('%04d loss %.5f acc %.5f val %.5f' % (ep, l, a, v))
        if len(hist) > 11 and hist[-1] > np.mean(hist[-11:-1]):
            print('Early stopping...')
            break
    print('test', sess.run(model.acc, {model.x: x, model.y: y, model.mask: te}))
