#! /usr/bin/env python
"""CNN for sentence classification (Kim 2014) on a TSV file: label <tab> text."""
import collections
import datetime
import os
import re
import time

import numpy as np
import tensorflow as tf

tf.flags.DEFINE_string("data_file", "data/reviews.tsv", "label<TAB>text file")
tf.flags.DEFINE_float("dev_fraction", 0.1, "part of the data for validation")
tf.flags.DEFINE_integer("embedding_dim", 128, "size of word vectors")
tf.flags.DEFINE_string("filter_sizes", "3,4,5", "comma separated filter sizes")
tf.flags.DEFINE_integer("num_filters", 128, "filters per size")
tf.flags.DEFINE_float("keep_prob", 0.5, "dropout keep probability")
tf.flags.DEFINE_float("l2_reg", 0.0, "l2 weight")
tf.flags.DEFINE_integer("batch_size", 64, "batch size")
tf.flags.DEFINE_integer("num_epochs", 30, "epochs")
tf.flags.DEFINE_integer("max_len", 60, "tokens per document")
tf.flags.DEFINE_string("out_dir", "runs", "checkpoints and summaries")
FLAGS = tf.flags.FLAGS

_TOKEN = re.compile(r"[A-Za-z']+|[!?]")


def clean_str(text):
    return _TOKEN.findall(text.lower())


def load_data(path):
    docs, labels = [], []
    with open(path, encoding="utf-8") as fh:
        for line in fh:
            label, text = line.rstrip("\n").split("\t", 1)
            docs.append(clean_str(text))
            labels.append(int(label))
    return docs, np.array(labels, dtype=np.int64)


def build_vocab(docs, min_count=2):
    counter = collections.Counter(w for d in docs for w in d)
    words = ["<pad>", "<unk>"] + [w for w, c in counter.most_common() if c >= min_count]
    return {w: i for i, w in enumerate(words)}


def vectorize(docs, vocab, max_len):
    out = np.zeros((len(docs), max_len), dtype=np.int32)
    for i, doc in enumerate(docs):
        ids = [vocab.get(w, 1) for w in doc[:max_len]]
        out[i, :len(ids)] = ids
    return out


def inverse_doc_freq(x, vocab_size):
    df = np.zeros(vocab_size, dtype=np.float32)
    for row in x:
        df[np.unique(row)] += 1
    return np.log((1.0 + len(x)) / (1.0 + df)) + 1.0  # SAFE: one is added to both counts, the ratio is positive


def class_weights(y, num_classes):
    counts = np.bincount(y, minlength=num_classes).astype(np.float32)
    w = counts.sum() / (num_classes * np.maximum(counts, 1.0))  # SAFE: maximum keeps empty classes at one
    return w


class TextCNN(object):

    def __init__(self, sequence_length, num_classes, vocab_size, embedding_size,
                 filter_sizes, num_filters, l2_reg_lambda=0.0, idf=None):
        self.input_x = tf.placeholder(tf.int32, [None, sequence_length], name="input_x")
        self.input_y = tf.placeholder(tf.float32, [None, num_classes], name="input_y")
        self.class_w = tf.placeholder(tf.float32, [num_classes], name="class_w")
        self.dropout_keep_prob = tf.placeholder(tf.float32, name="dropout_keep_prob")
        l2_loss = tf.constant(0.0)

        with tf.name_scope("embedding"):
            self.W = tf.Variable(tf.random_uniform([vocab_size, embedding_size], -1.0, 1.0), name="W")
            embedded = tf.nn.embedding_lookup(self.W, self.input_x)
            mask = tf.cast(tf.not_equal(self.input_x, 0), tf.float32)
            if idf is not None:
                idf_w = tf.nn.embedding_lookup(tf.constant(idf), self.input_x) * mask
            else:
                idf_w = mask
            weight_sum = tf.reduce_sum(idf_w, axis=1, keepdims=True)
            doc_vec = tf.reduce_sum(embedded * tf.expand_dims(idf_w, -1), axis=1)
            doc_vec = doc_vec / tf.maximum(weight_sum, 1.0)  # SAFE: empty documents divide by one
            expanded = tf.expand_dims(embedded, -1)

        pooled = []
        for size in filter_sizes:
            with tf.name_scope("conv-maxpool-%d" % size):
                shape = [size, embedding_size, 1, num_filters]
                W = tf.Variable(tf.truncated_normal(shape, stddev=0.1), name="W")
                b = tf.Variable(tf.constant(0.1, shape=[num_filters]), name="b")
                conv = tf.nn.conv2d(expanded, W, strides=[1, 1, 1, 1], padding="VALID", name="conv")
                h = tf.nn.relu(tf.nn.bias_add(conv, b), name="relu")
                p = tf.nn.max_pool(h, ksize=[1, sequence_length - size + 1, 1, 1],
                                   strides=[1, 1, 1, 1], padding="VALID", name="pool")
                pooled.append(p)
        total = num_filters * len(filter_sizes)
        self.h_pool = tf.reshape(tf.concat(pooled, 3), [-1, total])
        self.features = tf.concat([self.h_pool, tf.nn.l2_normalize(doc_vec, 1)], axis=1)  # SAFE: l2_normalize bounds the square sum by its epsilon

        with tf.name_scope("dropout"):
            self.h_drop = tf.nn.dropout(self.features, self.dropout_keep_prob)

        with tf.name_scope("output"):
            W = tf.get_variable("W_out", shape=[total + embedding_size, num_classes],
                                initializer=tf.truncated_normal_initializer(stddev=0.1))
            b = tf.Variable(tf.constant(0.1, shape=[num_classes]), name="b")
            l2_loss += tf.nn.l2_loss(W) + tf.nn.l2_loss(b)
            self.logits = tf.nn.xw_plus_b(self.h_drop, W, b, name="logits")
            self.scores = tf.nn.softmax(self.logits, name="scores")
            self.predictions = tf.argmax(self.scores, 1, name="predictions")

        with tf.name_scope("loss"):
            cross_entropy = -tf.reduce_sum(self.class_w * self.input_y * tf.log(self.scores), axis=1)  # BUG: log-softmax, the softmax underflows to 0
            self.loss = tf.reduce_mean(cross_entropy) + l2_reg_lambda * l2_loss

        with tf.name_scope("monitor"):
            correct = tf.equal(self.predictions, tf.argmax(self.input_y, 1))
            self.accuracy = tf.reduce_mean(tf.cast(correct, tf.float32), name="accuracy")
            clipped = tf.clip_by_value(self.scores, 1e-7, 1.0)
            self.entropy = -tf.reduce_mean(tf.reduce_sum(clipped * tf.log(clipped), axis=1))  # SAFE: clipped from below, and a summary only


def batch_iter(x, y, batch_size, num_epochs, shuffle=True):
    n = len(x)
    per_epoch = int((n - 1) / batch_size) + 1  # SAFE: batch_size is a flag of 64
    for _ in range(num_epochs):
        order = np.random.permutation(n) if shuffle else np.arange(n)
        for k in range(per_epoch):
            idx = order[k * batch_size:(k + 1) * batch_size]
            yield x[idx], y[idx]


def main(_):
    docs, labels = load_data(FLAGS.data_file)
    vocab = build_vocab(docs)
    x = vectorize(docs, vocab, FLAGS.max_len)
    num_classes = int(labels.max()) + 1
    y = np.eye(num_classes, dtype=np.float32)[labels]
    order = np.random.RandomState(10).permutation(len(x))
    cut = int(FLAGS.dev_fraction * len(x))
    dev, train = order[:cut], order[cut:]
    weights = class_weights(labels[train], num_classes)

    with tf.Session() as sess:
        cnn = TextCNN(FLAGS.max_len, num_classes, len(vocab), FLAGS.embedding_dim,
                      [int(s) for s in FLAGS.filter_sizes.split(",")], FLAGS.num_filters,
                      FLAGS.l2_reg, idf=inverse_doc_freq(x[train], len(vocab)))
        global_step = tf.Variable(0, name="global_step", trainable=False)
        optimizer = tf.train.AdamOptimizer(1e-3)
        grads_and_vars = optimizer.compute_gradients(cnn.loss)
        train_op = optimizer.apply_gradients(grads_and_vars, global_step=global_step)
        for g, v in grads_and_vars:
            if g is not None and not isinstance(g, tf.IndexedSlices):
                tf.summary.scalar("sparsity/" + v.op.name, tf.nn.zero_fraction(g))
        tf.summary.scalar("loss", cnn.loss)
        merged = tf.summary.merge_all()
        out_dir = os.path.join(FLAGS.out_dir, str(int(time.time())))
        writer = tf.summary.FileWriter(out_dir, sess.graph)
        saver = tf.train.Saver(max_to_keep=5)
        sess.run(tf.global_variables_initializer())

        for bx, by in batch_iter(x[train], y[train], FLAGS.batch_size, FLAGS.num_epochs):
            feed = {cnn.input_x: bx, cnn.input_y: by, cnn.class_w: weights,
                    cnn.dropout_keep_prob: FLAGS.keep_prob}
            _, step, summ, loss, acc = sess.run(
                [train_op, global_step, merged, cnn.loss, cnn.accuracy], feed)
            writer.add_summary(summ, step)
            if step % 100 == 0:
                feed = {cnn.input_x: x[dev], cnn.input_y: y[dev], cnn.class_w: weights,
                        cnn.dropout_keep_prob: 1.0}
                dl, da = sess.run([cnn.loss, cnn.accuracy], feed)
                print("{} step {} loss {:.4f} acc {:.3f} | dev {:.4f} {:.3f}".format(
                    datetime.datetime.now().isoformat(), step, loss, acc, dl, da))
                saver.save(sess, os.path.join(out_dir, "model"), global_step=step)


if __name__ == "__main__":
    tf.app.run()
