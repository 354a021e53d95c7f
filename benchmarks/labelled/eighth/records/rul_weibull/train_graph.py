"""Weibull time-to-event RNN on turbofan engines (graph mode, runs on the old GPU box)."""
from __future__ import print_function

import argparse
import math
import os

import numpy as np
import tensorflow.compat.v1 as tf
import yaml

import turbofan

tf.disable_v2_behavior()


def dense(x, n_out, name, bias=0.0, stddev=None):
    n_in = int(x.shape[-1])
    with tf.variable_scope(name):
        w = tf.get_variable("w", [n_in, n_out], initializer=tf.truncated_normal_initializer(
            stddev=stddev or 1.0 / math.sqrt(n_in)))  # SAFE: n_in is a layer width
        b = tf.get_variable("b", [n_out], initializer=tf.constant_initializer(bias))
        return tf.matmul(x, w) + b


def recurrent(x, units):
    """Plain GRU, unrolled by hand because cudnn of this box is too old."""
    steps, n_in = int(x.shape[1]), int(x.shape[2])
    h = tf.zeros([tf.shape(x)[0], units])
    h.set_shape([None, units])
    for t in range(steps):
        with tf.variable_scope("gru", reuse=t > 0):
            xt = x[:, t]
            both = tf.concat([xt, h], axis=1)
            both.set_shape([None, n_in + units])
            z = tf.sigmoid(dense(both, units, "z", bias=1.0))
            r = tf.sigmoid(dense(both, units, "r"))
            reset = tf.concat([xt, r * h], axis=1)
            reset.set_shape([None, n_in + units])
            cand = tf.tanh(dense(reset, units, "c"))
            h = z * h + (1.0 - z) * cand
    return h


def weibull_loglik(t, event, alpha, beta):
    ratio = t / alpha  # SAFE: alpha is an exponential of a clipped value
    hazard = tf.log(beta) - tf.log(alpha) + (beta - 1.0) * tf.log(ratio)  # BUG: log-zero, the last window of each unit has t = 0
    cumulative = tf.pow(ratio, beta)
    return event * hazard - cumulative


def build(cfg, n_features, window):
    x = tf.placeholder(tf.float32, [None, window, n_features], "x")
    t = tf.placeholder(tf.float32, [None, 1], "t")
    e = tf.placeholder(tf.float32, [None, 1], "event")
    h = recurrent(x, cfg["units"])
    raw = dense(h, 2, "head", stddev=0.01)
    shift = math.log(cfg["init_alpha"])  # SAFE: 80 in the parameters
    alpha = tf.exp(tf.clip_by_value(raw[:, :1], -4.0, 4.0) + shift)  # SAFE: clipped to four either side
    beta = 0.5 + (cfg["max_beta"] - 0.5) * tf.sigmoid(raw[:, 1:])
    loss = -tf.reduce_mean(weibull_loglik(t, e, alpha, beta))
    mode = alpha * tf.pow(tf.maximum((beta - 1.0) / beta, 1e-3), 1.0 / beta)  # SAFE: beta is at least 0.5, base floored, prediction only
    return x, t, e, loss, mode


def batches(arrays, size, rng):
    order = rng.permutation(len(arrays[0]))
    for i in range(0, len(order), size):
        pick = order[i:i + size]
        yield [a[pick] for a in arrays]


def nasa_score(pred, true):
    d = np.clip(pred - true, -120, 120)
    return float(np.where(d < 0, np.exp(-d / 13.0) - 1, np.exp(d / 10.0) - 1).mean())  # SAFE: d is clipped, numpy report only


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--params", default=os.path.join(os.path.dirname(__file__), "params.yaml"))
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    with open(args.params) as fh:
        cfg = yaml.safe_load(fh)
    train, valid = turbofan.load(cfg["data"])
    print("windows: train %d valid %d, sensors %d" % (len(train[0]), len(valid[0]), train[0].shape[2]))

    tf.set_random_seed(args.seed)
    rng = np.random.RandomState(args.seed)
    x, t, e, loss, mode = build(cfg["model"], train[0].shape[2], cfg["data"]["window"])
    opt = tf.train.AdamOptimizer(cfg["train"]["learning_rate"])  # SAFE: 0.001 in the parameters
    grads, tvars = zip(*opt.compute_gradients(loss))
    grads, _ = tf.clip_by_global_norm(grads, 2.0)
    step = opt.apply_gradients(zip(grads, tvars))
    saver = tf.train.Saver(max_to_keep=2)
    target_dir = os.path.dirname(cfg["train"]["checkpoint"])
    if target_dir and not os.path.isdir(target_dir):
        os.makedirs(target_dir)

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        best = float("inf")
        for epoch in range(cfg["train"]["epochs"]):
            total, seen = 0.0, 0
            for bx, bt, be in batches(train, cfg["train"]["batch_size"], rng):
                value, _ = sess.run([loss, step], {x: bx, t: bt, e: be})
                total += value * len(bx)
                seen += len(bx)
            pred = np.concatenate([sess.run(mode, {x: bx}) for bx in np.array_split(valid[0], 8) if len(bx)])
            rmse = math.sqrt(float(np.mean((pred - valid[1]) ** 2)))
            print("epoch %3d nll %.4f rmse %.2f score %.1f" % (epoch, total / max(seen, 1), rmse,  # SAFE: max(seen, 1)
                                                            nasa_score(pred, valid[1])))
            if rmse < best:
                best = rmse
                saver.save(sess, cfg["train"]["checkpoint"], global_step=epoch)


if __name__ == "__main__":
    main()
