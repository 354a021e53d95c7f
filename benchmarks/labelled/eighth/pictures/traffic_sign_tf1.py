"""Old traffic sign classifier (2017), kept running under tf.compat.v1.

Data: a pickle as produced by prepare_gtsrb.py with keys features (uint8 N,32,32,3), labels.
"""
from __future__ import print_function

import argparse
import os
import pickle

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

N_CLASSES = 43


def load(path):
    with open(path, "rb") as f:
        d = pickle.load(f)
    return d["features"], d["labels"]


def preprocess(x):
    gray = np.dot(x[..., :3].astype(np.float32), [0.299, 0.587, 0.114])
    mean = gray.mean(axis=(1, 2), keepdims=True)
    std = gray.std(axis=(1, 2), keepdims=True)
    return ((gray - mean) / np.maximum(std, 1.0))[..., None].astype(np.float32)  # SAFE: std floored at one grey level


def histogram_weights(labels):
    cnt = np.bincount(labels, minlength=N_CLASSES).astype(np.float32)
    w = 1.0 / np.log(1.2 + cnt / cnt.sum())  # SAFE: log argument at least 1.2, label array is not empty
    return (w / w.mean()).astype(np.float32)


def weight(shape, name):
    fan_in = np.prod(shape[:-1])
    return tf.get_variable(name, shape, initializer=tf.truncated_normal_initializer(stddev=np.sqrt(2.0 / fan_in)))  # SAFE: fan-in is a positive constant


def batch_norm(x, is_train, scope, decay=0.99):
    with tf.variable_scope(scope):
        c = x.get_shape()[-1]
        beta = tf.get_variable("beta", [c], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [c], initializer=tf.ones_initializer())
        mm = tf.get_variable("mm", [c], trainable=False, initializer=tf.zeros_initializer())
        mv = tf.get_variable("mv", [c], trainable=False, initializer=tf.ones_initializer())
        mean, var = tf.nn.moments(x, list(range(len(x.shape) - 1)))
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign(mm, decay * mm + (1 - decay) * mean))
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign(mv, decay * mv + (1 - decay) * var))
        m = tf.cond(is_train, lambda: mean, lambda: mm)
        v = tf.cond(is_train, lambda: var, lambda: mv)
        return gamma * (x - m) * tf.rsqrt(v + 1e-5) + beta  # SAFE: variance plus 1e-5 under rsqrt


def network(x, is_train, keep):
    def conv(h, k, cin, cout, name, stride=1):
        h = tf.nn.conv2d(h, weight([k, k, cin, cout], name), [1, stride, stride, 1], "SAME")
        return tf.nn.relu(batch_norm(h, is_train, name + "_bn"))

    h = conv(x, 5, 1, 32, "c1")
    h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    s1 = h
    h = conv(h, 3, 32, 64, "c2")
    h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    s2 = tf.nn.max_pool(s1, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.concat([h, s2], 3)
    h = tf.reshape(h, [-1, 8 * 8 * 96])
    h = tf.nn.relu(tf.matmul(h, weight([8 * 8 * 96, 256], "f1")) + tf.get_variable("f1b", [256], initializer=tf.zeros_initializer()))
    h = tf.nn.dropout(h, keep_prob=keep)  # SAFE: keep is fed as 0.6 or 1.0, never 0
    return tf.matmul(h, weight([256, N_CLASSES], "f2")) + tf.get_variable("f2b", [N_CLASSES], initializer=tf.zeros_initializer())


def build(class_w, lr):
    g = {}
    g["x"] = tf.placeholder(tf.float32, [None, 32, 32, 1])
    g["y"] = tf.placeholder(tf.int64, [None])
    g["train"] = tf.placeholder_with_default(False, [])
    g["keep"] = tf.placeholder_with_default(1.0, [])
    logits = network(g["x"], g["train"], g["keep"])
    g["prob"] = tf.nn.softmax(logits)
    onehot = tf.one_hot(g["y"], N_CLASSES)
    w = tf.gather(tf.constant(class_w), g["y"])
    xent = -tf.reduce_sum(onehot * tf.log(g["prob"]), 1)  # BUG: log-softmax, softmax underflows to 0 for confident logits and 0*-inf or -inf follows
    l2 = tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if "bn" not in v.name])
    g["xent"] = tf.reduce_sum(w * xent) / tf.reduce_sum(w)  # SAFE: class weights are positive and batches are not empty
    g["loss"] = g["xent"] + 1e-4 * l2
    step = tf.train.get_or_create_global_step()
    g["lr"] = tf.train.exponential_decay(lr, step, 2000, 0.9)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        g["op"] = tf.train.AdamOptimizer(g["lr"]).minimize(g["loss"], global_step=step)
    g["acc"] = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), g["y"]), tf.float32))
    ent = -tf.reduce_sum(g["prob"] * tf.nn.log_softmax(logits), 1)  # SAFE: log_softmax stays finite and the tensor is only monitored
    g["entropy"] = tf.reduce_mean(ent)
    g["step"] = step
    return g


def batches(x, y, n, rng):
    idx = rng.permutation(len(x))
    for i in range(0, len(x) - n + 1, n):
        j = idx[i:i + n]
        yield x[j], y[j]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="train.p")
    ap.add_argument("--valid", default="valid.p")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--logdir", default="tb_signs")
    a = ap.parse_args()
    xt, yt = load(a.train)
    xv, yv = load(a.valid)
    xt, xv = preprocess(xt), preprocess(xv)
    g = build(histogram_weights(yt), a.lr)
    saver = tf.train.Saver(max_to_keep=2)
    rng = np.random.RandomState(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.epochs):
            losses = []
            for bx, by in batches(xt, yt, a.batch, rng):
                _, l = sess.run([g["op"], g["xent"]], {g["x"]: bx, g["y"]: by, g["train"]: True, g["keep"]: 0.6})
                losses.append(l)
            acc = [sess.run(g["acc"], {g["x"]: xv[i:i + 512], g["y"]: yv[i:i + 512]}) for i in range(0, len(xv), 512)]
            print("epoch %d loss %.4f perplexity %.3f val %.4f" % (
                ep, np.mean(losses), np.exp(min(np.mean(losses), 50.0)), np.mean(acc)))  # SAFE: exponent capped at 50
            saver.save(sess, os.path.join(a.logdir, "model"), global_step=g["step"])


if __name__ == "__main__":
    main()
