import os

import numpy as np
import tensorflow as tf

import config
from data_reader import DataParser, FeatureDictionary, load
from model import DeepFM


def gini(actual, pred):
    order = np.lexsort((np.arange(len(pred)), -pred))
    a = actual[order].astype(np.float64)
    total = a.sum()
    if total == 0:
        return 0.0
    return (a.cumsum().sum() / total - (len(a) + 1) / 2.0) / len(a)  # SAFE: zero total returns earlier


def gini_norm(actual, pred):
    best = gini(actual, actual)
    return gini(actual, pred) / best if best else 0.0  # SAFE: guarded by the conditional expression


def class_weight(y):
    pos = float(y.sum())
    return min((len(y) - pos) / max(pos, 1.0), 10.0)  # SAFE: denominator is floored at one


def fold_indices(n, k, seed):
    order = np.random.RandomState(seed).permutation(n)
    for f in np.array_split(order, k):
        yield np.setdiff1d(order, f), f


def run_fold(xi, xv, y, train, valid, feat_dim):
    tf.reset_default_graph()
    model = DeepFM(feat_dim, xi.shape[1], pos_weight=class_weight(y[train]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(config.EPOCHS):
            np.random.shuffle(train)
            losses = []
            for i in range(0, len(train), config.BATCH_SIZE):
                b = train[i:i + config.BATCH_SIZE]
                feed = {model.feat_index: xi[b], model.feat_value: xv[b],
                        model.label: y[b, None], model.train_phase: True}
                losses.append(sess.run([model.loss, model.train_op], feed)[0])
            pred = sess.run(model.out, {model.feat_index: xi[valid], model.feat_value: xv[valid]})
            print("epoch %d loss %.5f gini %.5f" % (epoch, np.mean(losses), gini_norm(y[valid], pred[:, 0])))
    return pred


def main():
    frame = load(config.TRAIN_FILE)
    fd = FeatureDictionary(frame)
    xi, xv, y = DataParser(fd).fit(frame).parse(frame)
    oof = np.zeros(len(y), np.float32)
    for train, valid in fold_indices(len(y), config.NUM_SPLITS, config.RANDOM_SEED):
        oof[valid] = run_fold(xi, xv, y, train, valid, fd.feat_dim)[:, 0]
    np.save(os.path.join(config.SUB_DIR, "oof.npy"), oof)


if __name__ == "__main__":
    main()
