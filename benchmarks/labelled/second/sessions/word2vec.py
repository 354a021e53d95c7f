"""Skip-gram with negative sampling, text8."""
from __future__ import print_function

import collections
import os
import zipfile

import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_string("corpus", "text8.zip", "Zip file with the corpus")
flags.DEFINE_string("log_dir", "log", "Output directory")
flags.DEFINE_integer("vocabulary_size", 50000, "Vocabulary size")
flags.DEFINE_integer("embedding_size", 200, "Embedding dimension")
flags.DEFINE_integer("batch_size", 128, "Batch size")
flags.DEFINE_integer("skip_window", 2, "Words to consider left and right")
flags.DEFINE_integer("num_sampled", 16, "Negative examples per positive")
flags.DEFINE_integer("num_steps", 200001, "Training steps")
flags.DEFINE_float("subsample", 1e-4, "Subsampling threshold, 0 turns it off")
flags.DEFINE_float("learning_rate", 0.2, "Initial learning rate")
FLAGS = flags.FLAGS


def read_data(filename):
    with zipfile.ZipFile(filename) as f:
        return tf.compat.as_str(f.read(f.namelist()[0])).split()


def build_dataset(words, n_words):
    count = [["UNK", -1]]
    count.extend(collections.Counter(words).most_common(n_words - 1))
    dictionary = {w: i for i, (w, _) in enumerate(count)}
    data = [dictionary.get(w, 0) for w in words]
    count[0][1] = data.count(0)
    return data, count, dictionary, {i: w for w, i in dictionary.items()}


def subsample(data, count, threshold, rng):
    total = float(len(data))
    freq = np.array([c for _, c in count], np.float64) / total  # SAFE: the corpus has at least one word, read_data would give nothing to train on otherwise
    keep = np.minimum(1.0, np.sqrt(threshold / np.maximum(freq, 1.0 / total)))  # SAFE: frequency is floored at one occurrence, UNK may have count 0
    return [w for w in data if rng.rand() < keep[w]]


def unigram_logits(count, power=0.75):
    c = np.array([max(n, 1) for _, n in count], np.float64)
    return (power * np.log(c)).astype(np.float32)[None, :]  # SAFE: counts are at least 1


class SkipGramBatcher(object):

    def __init__(self, data, window, rng):
        self.data, self.window, self.rng = data, window, rng
        self.pos = window

    def next(self, n):
        inputs = np.zeros(n, np.int32)
        labels = np.zeros(n, np.int32)
        i = 0
        while i < n:
            if self.pos + self.window >= len(self.data):
                self.pos = self.window
            offsets = [o for o in range(-self.window, self.window + 1) if o != 0]
            for o in self.rng.permutation(offsets):
                if i == n:
                    break
                inputs[i] = self.data[self.pos]
                labels[i] = self.data[self.pos + o]
                i += 1
            self.pos += 1
        return inputs, labels


class Word2Vec(object):

    def __init__(self, vocab, dim, num_sampled, noise_logits, lr, num_steps):
        self.inputs = tf.placeholder(tf.int32, [None])
        self.labels = tf.placeholder(tf.int32, [None])
        with tf.variable_scope("embeddings"):
            self.emb = tf.get_variable("in", [vocab, dim],
                                       initializer=tf.random_uniform_initializer(-1.0, 1.0))
            self.out = tf.get_variable("out", [vocab, dim],
                                       initializer=tf.random_uniform_initializer(-1.0, 1.0))
            self.bias = tf.get_variable("bias", [vocab], initializer=tf.zeros_initializer())
        embed = tf.nn.embedding_lookup(self.emb, self.inputs)
        pos = tf.reduce_sum(embed * tf.nn.embedding_lookup(self.out, self.labels), 1)
        pos += tf.nn.embedding_lookup(self.bias, self.labels)
        noise = tf.reshape(tf.multinomial(tf.constant(noise_logits), num_sampled), [-1])
        neg = tf.matmul(embed, tf.nn.embedding_lookup(self.out, noise), transpose_b=True)
        neg += tf.nn.embedding_lookup(self.bias, noise)

        pos_loss = -tf.log_sigmoid(pos)  # SAFE: log_sigmoid is computed from the logits in a stable form
        neg_loss = -tf.reduce_sum(tf.log(1.0 - tf.sigmoid(neg)), 1)  # BUG: log-sigmoid, sigmoid rounds to 1.0 for a dot product above 17 and the log is -inf
        self.loss = tf.reduce_mean(pos_loss + neg_loss)
        tf.summary.scalar("loss", self.loss)

        self.global_step = tf.Variable(0, trainable=False, name="global_step")
        rate = tf.train.polynomial_decay(lr, self.global_step, num_steps, lr * 1e-3)
        opt = tf.train.GradientDescentOptimizer(rate)
        self.train_op = opt.minimize(self.loss, global_step=self.global_step)

        norm = tf.sqrt(tf.reduce_sum(tf.square(self.emb), 1, keep_dims=True))  # SAFE: used for the nearest neighbour report only, no gradient goes through it
        self.normalized = self.emb / tf.maximum(norm, 1e-12)
        self.valid = tf.placeholder(tf.int32, [None])
        v = tf.nn.embedding_lookup(self.normalized, self.valid)
        self.similarity = tf.matmul(v, self.normalized, transpose_b=True)


def nearest(sim, words, reverse, k=8):
    for i, w in enumerate(words):
        best = (-sim[i]).argsort()[1:k + 1]
        print("Nearest to %s: %s" % (reverse[w], ", ".join(reverse[j] for j in best)))


def main(_):
    rng = np.random.RandomState(0)
    words = read_data(FLAGS.corpus)
    data, count, _, reverse = build_dataset(words, FLAGS.vocabulary_size)
    noise_logits = unigram_logits(count)
    if FLAGS.subsample > 0:
        data = subsample(data, count, FLAGS.subsample, rng)
    batcher = SkipGramBatcher(data, FLAGS.skip_window, rng)
    model = Word2Vec(len(count), FLAGS.embedding_size, FLAGS.num_sampled, noise_logits,
                     FLAGS.learning_rate, FLAGS.num_steps)
    valid = rng.choice(100, 16, replace=False)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        average = 0.0
        for step in range(FLAGS.num_steps):
            xs, ys = batcher.next(FLAGS.batch_size)
            _, loss = sess.run([model.train_op, model.loss], {model.inputs: xs, model.labels: ys})
            average += loss
            if step % 2000 == 0:
                print("Average loss at step %d: %f" % (step, average / (2000 if step else 1)))
                average = 0.0
            if step % 10000 == 0:
                nearest(sess.run(model.similarity, {model.valid: valid}), valid, reverse)
        saver.save(sess, os.path.join(FLAGS.log_dir, "model.ckpt"))


if __name__ == "__main__":
    tf.app.run()
