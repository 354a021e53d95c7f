import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

import utils
from models import GCN

tf.disable_v2_behavior()
np.random.seed(123)
tf.set_random_seed(123)


def feed(model, x, a, labels, mask, dropout=0.0):
    return {model.x: x, model.nnz: [len(x[1])], model.a: a, model.y: labels * mask[:, None],
            model.mask: mask, model.dropout: dropout}


def macro_f1(logits, labels, mask):
    p, t = logits[mask].argmax(1), labels[mask].argmax(1)
    out = []
    for c in range(labels.shape[1]):
        tp = np.sum((p == c) & (t == c))
        d = np.sum(p == c) + np.sum(t == c)
        out.append(2.0 * tp / d if d else 0.0)  # SAFE: d is checked
    return float(np.mean(out))


def run(feats, labels, adj, epochs=200, patience=20):
    x = utils.to_tuple(utils.preprocess_features(feats))
    a = utils.to_tuple(utils.preprocess_adj(adj))
    train, val, test = utils.masks(labels)
    model = GCN(feats.shape[1], labels.shape[1], feats.shape[0])
    best, wait = np.inf, 0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(epochs):
            t = time.time()
            _, loss, acc = sess.run([model.train_op, model.loss, model.accuracy],
                                    feed(model, x, a, labels, train, 0.5))
            vloss, vacc = sess.run([model.loss, model.accuracy], feed(model, x, a, labels, val))
            print("%d loss %.4f acc %.3f val %.4f %.3f (%.2fs)" % (epoch, loss, acc, vloss, vacc, time.time() - t))
            best, wait = (vloss, 0) if vloss < best else (best, wait + 1)
            if wait > patience:
                break
        logits, acc = sess.run([model.logits, model.accuracy], feed(model, x, a, labels, test))
    print("test accuracy %.3f macro f1 %.3f" % (acc, macro_f1(logits, labels, test)))
    return acc


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "data/cora"
    run(*utils.load_cora(folder + "/cora.content", folder + "/cora.cites"))
