"""Wide & deep click model, TF1 graph mode. Reads Criteo-like tsv: label, 13 ints, 26 hex categories."""
import argparse
import logging
import sys

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

BUCKETS = 2000
N_INT, N_CAT = 13, 26


def batches(path, size):
    ints, cats, y = [], [], []
    with open(path) as f:
        for line in f:
            p = line.rstrip("\n").split("\t")
            y.append(float(p[0]))
            ints.append([int(v) if v else 0 for v in p[1:1 + N_INT]])
            cats.append([hash(v) % BUCKETS for v in p[1 + N_INT:]])
            if len(y) == size:
                yield np.array(ints, np.float32), np.array(cats), np.array(y, np.float32)
                ints, cats, y = [], [], []


def squash(x):
    """Count features have values from -2 to several millions."""
    return tf.log(1.0 + tf.maximum(x, 0.0))  # SAFE: maximum with zero before the logarithm


class WideDeep(object):
    def __init__(self, emb_dim=8, hidden=(64, 32), lr=0.005, neg_rate=0.1, l2=1e-6):
        self.neg_rate = neg_rate
        self.ints = tf.placeholder(tf.float32, [None, N_INT], "ints")
        self.cats = tf.placeholder(tf.int32, [None, N_CAT], "cats")
        self.y = tf.placeholder(tf.float32, [None], "y")
        self.training = tf.placeholder_with_default(False, [], "training")
        with tf.variable_scope("deep"):
            table = tf.get_variable("emb", [BUCKETS * N_CAT, emb_dim],
                                    initializer=tf.truncated_normal_initializer(stddev=0.01))
            offset = tf.range(N_CAT) * BUCKETS
            e = tf.nn.embedding_lookup(table, self.cats + offset)
            x = tf.concat([self.normalise(squash(self.ints)), tf.reshape(e, [-1, N_CAT * emb_dim])], 1)
            for i, h in enumerate(hidden):
                x = self.dense(x, h, "fc%d" % i, tf.nn.relu)
            deep = self.dense(x, 1, "out")[:, 0]
        with tf.variable_scope("wide"):
            w = tf.get_variable("w", [BUCKETS * N_CAT], initializer=tf.zeros_initializer())
            wide = tf.reduce_sum(tf.nn.embedding_lookup(w, self.cats + offset), 1)
        with tf.variable_scope("fm"):
            s = tf.square(tf.reduce_sum(e, 1)) - tf.reduce_sum(tf.square(e), 1)
            fm = 0.5 * tf.reduce_sum(s, 1)
        self.logit = deep + wide + fm
        self.prob = self.calibrate(tf.sigmoid(self.logit))
        xent = tf.nn.sigmoid_cross_entropy_with_logits(labels=self.y, logits=self.logit)  # SAFE: stable form on logits
        reg = tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if "/w" in v.name])
        self.loss = tf.reduce_mean(xent) + l2 * reg
        self.entropy = self.normalised_entropy()
        self.step = tf.train.get_or_create_global_step()
        opt = tf.train.AdagradOptimizer(lr, initial_accumulator_value=0.1)
        gv = opt.compute_gradients(self.loss)
        grads, self.norm = tf.clip_by_global_norm([g for g, _ in gv], 10.0)
        self.train_op = opt.apply_gradients(zip(grads, [v for _, v in gv]), self.step)

    @staticmethod
    def dense(x, n, name, act=None):
        with tf.variable_scope(name):
            w = tf.get_variable("w", [x.shape[1].value if hasattr(x.shape[1], "value") else x.shape[1], n],
                                initializer=tf.glorot_uniform_initializer())
            b = tf.get_variable("b", [n], initializer=tf.zeros_initializer())
            z = tf.matmul(x, w) + b
            return act(z) if act else z

    @staticmethod
    def normalise(x):
        mean, var = tf.nn.moments(x, [0])
        return (x - mean) / tf.sqrt(var + 1e-3)  # SAFE: variance plus 1e-3

    def calibrate(self, p):
        """Undo the subsampling of negatives."""
        return p / (p + (1.0 - p) / self.neg_rate)  # SAFE: p in 0..1 and neg_rate 0.1, denominator is at least p + 1 - p

    def normalised_entropy(self):
        p = tf.clip_by_value(self.prob, 1e-6, 1.0 - 1e-6)
        ll = -tf.reduce_mean(self.y * tf.log(p) + (1.0 - self.y) * tf.log(1.0 - p))  # SAFE: clipped with 1e-6 in float32
        base = tf.clip_by_value(tf.reduce_mean(self.y), 0.01, 0.99)
        h = -(base * tf.log(base) + (1.0 - base) * tf.log(1.0 - base))  # SAFE: base rate clipped to 0.01..0.99
        return ll / h  # SAFE: h is at least 0.056


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="train.tsv")
    ap.add_argument("--epochs", type=int, default=2)
    ap.add_argument("--batch", type=int, default=512)
    args = ap.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    tf.set_random_seed(1)
    model = WideDeep()
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            for ints, cats, y in batches(args.train, args.batch):
                feed = {model.ints: ints, model.cats: cats, model.y: y, model.training: True}
                _, loss, ne, step = sess.run([model.train_op, model.loss, model.entropy, model.step], feed)
                if step % 100 == 0:
                    logging.info("step %d loss %.4f NE %.4f", step, loss, ne)
            saver.save(sess, "ctr.ckpt", global_step=model.step)


if __name__ == "__main__":
    main()
