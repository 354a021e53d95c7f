"""Autoencoder for intrusion detection on KDD Cup 99, with tf.estimator."""
import argparse
import csv

import numpy as np
import tensorflow as tf

CATEGORICAL = {1: "protocol_type", 2: "service", 3: "flag"}
NUM_COLUMNS = 41


def read_rows(path, limit=None):
    rows = []
    with open(path) as f:
        for r in csv.reader(f):
            rows.append(r)
            if limit and len(rows) >= limit:
                break
    return rows


class Preprocessor(object):
    """Standardised numeric columns followed by one-hot categorical columns."""

    def __init__(self):
        self.mean = self.std = None
        self.levels = {}

    def _numeric(self, rows):
        cols = [c for c in range(NUM_COLUMNS) if c not in CATEGORICAL]
        x = np.array([[float(r[c]) for c in cols] for r in rows], np.float64)
        x[:, :3] = np.log(x[:, :3] + 1.0)  # SAFE: duration and byte counts are non-negative and 1 is added
        return x

    def fit(self, rows):
        x = self._numeric(rows)
        self.mean = x.mean(axis=0)
        self.std = x.std(axis=0)
        for c in CATEGORICAL:
            self.levels[c] = sorted(set(r[c] for r in rows))
        return self

    def transform(self, rows):
        x = self._numeric(rows)
        x = (x - self.mean) / self.std  # BUG: div-zero, num_outbound_cmds (and is_host_login) are constant in the training file, so their std is 0 and the features are NaN
        parts = [x]
        for c, lv in sorted(self.levels.items()):
            parts.append(np.array([[1.0 if r[c] == l else 0.0 for l in lv] for r in rows]))
        return np.concatenate(parts, 1).astype(np.float32)


def is_normal(row):
    return row[-1].rstrip(".") == "normal"


def dense(x, n, act, l2, name):
    return tf.layers.dense(x, n, activation=act, name=name,
                           kernel_initializer=tf.variance_scaling_initializer(),
                           kernel_regularizer=lambda w: l2 * tf.nn.l2_loss(w))


def cosine_error(x, y):
    nx = tf.sqrt(tf.reduce_sum(tf.square(x), 1) + 1e-8)  # SAFE: 1e-8 inside the sqrt
    ny = tf.sqrt(tf.reduce_sum(tf.square(y), 1) + 1e-8)  # SAFE: 1e-8 inside the sqrt keeps the derivative finite
    return 1.0 - tf.reduce_sum(x * y, 1) / (nx * ny)  # SAFE: both norms are at least 1e-4


def sparsity(h, rho):
    rho_hat = tf.clip_by_value(tf.reduce_mean(h, 0), 1e-4, 1.0 - 1e-4)
    kl = rho * tf.log(rho / rho_hat) + (1 - rho) * tf.log((1 - rho) / (1 - rho_hat))  # SAFE: rho is asserted to be inside (0, 1) and rho_hat is clipped
    return tf.reduce_sum(kl)


def model_fn(features, labels, mode, params):
    x = features["x"]
    h = dense(x, params["hidden"], tf.nn.relu, params["l2"], "enc1")
    if mode == tf.estimator.ModeKeys.TRAIN:
        h = tf.nn.dropout(h, keep_prob=1.0 - params["dropout"])  # SAFE: main asserts dropout < 1
    code = dense(h, params["code"], tf.nn.sigmoid, params["l2"], "code")
    h = dense(code, params["hidden"], tf.nn.relu, params["l2"], "dec1")
    y = dense(h, x.get_shape()[1], None, params["l2"], "out")

    mse = tf.reduce_mean(tf.square(x - y), 1)
    score = mse + params["cos_weight"] * cosine_error(x, y)
    predictions = {"score": score, "log_score": tf.log(score + 1e-6)}  # SAFE: 1e-6 is added, the score is a sum of non-negative terms up to rounding and nothing trains on it
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions=predictions)

    loss = tf.reduce_mean(score) + params["beta"] * sparsity(code, params["rho"])
    loss += tf.losses.get_regularization_loss()
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(
            mode, loss=loss, eval_metric_ops={"mean_score": tf.metrics.mean(score)})

    step = tf.train.get_or_create_global_step()
    lr = tf.train.cosine_decay(params["lr"], step, params["steps"])
    opt = tf.train.AdamOptimizer(lr)
    grads, tvars = zip(*opt.compute_gradients(loss))
    grads, _ = tf.clip_by_global_norm(grads, 1.0)
    train_op = opt.apply_gradients(zip(grads, tvars), global_step=step)
    tf.summary.scalar("lr", lr)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


def make_input_fn(x, batch_size, train):
    def input_fn():
        ds = tf.data.Dataset.from_tensor_slices({"x": x})
        if train:
            ds = ds.shuffle(10000).repeat()
        return ds.batch(batch_size)
    return input_fn


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="kddcup.data_10_percent")
    p.add_argument("--test", default="corrected")
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--code", type=int, default=8)
    p.add_argument("--rho", type=float, default=0.05)
    p.add_argument("--beta", type=float, default=0.1)
    p.add_argument("--cos_weight", type=float, default=0.5)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--l2", type=float, default=1e-5)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--batch_size", type=int, default=256)
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--model_dir", default="ae_model")
    return p.parse_args(argv)


def main():
    args = get_args()
    assert 0.0 < args.rho < 1.0, "rho must be inside (0, 1)"
    assert 0.0 <= args.dropout < 1.0
    rows = read_rows(args.train)
    normal = [r for r in rows if is_normal(r)]
    pre = Preprocessor().fit(normal)
    est = tf.estimator.Estimator(model_fn, args.model_dir, params=vars(args))
    est.train(make_input_fn(pre.transform(normal), args.batch_size, True), steps=args.steps)

    train_scores = np.array([p["score"] for p in est.predict(
        make_input_fn(pre.transform(normal[:20000]), args.batch_size, False))])
    threshold = np.percentile(train_scores, 99)
    test = [r for r in read_rows(args.test)
            if all(r[c] in pre.levels[c] for c in CATEGORICAL)]
    scores = np.array([p["score"] for p in est.predict(
        make_input_fn(pre.transform(test), args.batch_size, False))])
    attack = np.array([not is_normal(r) for r in test])
    flagged = scores > threshold
    precision = (flagged & attack).sum() / max(flagged.sum(), 1)
    recall = (flagged & attack).sum() / max(attack.sum(), 1)
    print("threshold %.5f precision %.4f recall %.4f" % (threshold, precision, recall))


if __name__ == "__main__":
    main()
