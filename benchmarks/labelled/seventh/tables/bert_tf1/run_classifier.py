import os

import numpy as np
import tensorflow as tf

import heads
from modeling import BertConfig, BertModel
from optimization import create_optimizer

flags = tf.flags
FLAGS = flags.FLAGS
flags.DEFINE_string("train", "train.npz", "arrays ids, mask, segments, labels")
flags.DEFINE_string("dev", "dev.npz", "same arrays")
flags.DEFINE_string("output_dir", "out", "checkpoints")
flags.DEFINE_string("init_checkpoint", None, "pretrained weights")
flags.DEFINE_integer("vocab_size", 30522, "word pieces")
flags.DEFINE_integer("num_labels", 3, "classes")
flags.DEFINE_integer("batch_size", 32, "batch")
flags.DEFINE_float("learning_rate", 2e-5, "peak rate")
flags.DEFINE_integer("epochs", 3, "epochs")
flags.DEFINE_float("warmup", 0.1, "part of the steps")
flags.DEFINE_float("penalty", 0.0, "weight of the confidence penalty")


class Classifier(object):

    def __init__(self, config, num_labels, is_training, penalty=0.0):
        self.ids = tf.placeholder(tf.int32, [None, None])
        self.mask = tf.placeholder(tf.int32, [None, None])
        self.segments = tf.placeholder(tf.int32, [None, None])
        self.labels = tf.placeholder(tf.int32, [None])
        bert = BertModel(config, is_training, self.ids, self.mask, self.segments)
        pooled = tf.concat([bert.pooled, bert.mean_pooled], -1)
        self.loss, logits = heads.classification(pooled, self.labels, num_labels, is_training)
        log_t = tf.get_variable("log_temperature", [], initializer=tf.zeros_initializer())  # SAFE: a log temperature of zero is a temperature of one
        logits = heads.bias_temperature(logits, log_t)
        self.loss += heads.confidence_penalty(logits, penalty)
        self.probs = tf.nn.softmax(logits)
        hit = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), self.labels)
        self.accuracy = tf.reduce_mean(tf.cast(hit, tf.float32))

    def feed(self, d, idx):
        return {self.ids: d["ids"][idx], self.mask: d["mask"][idx],
                self.segments: d["segments"][idx], self.labels: d["labels"][idx]}


def expected_calibration_error(probs, labels, bins=10):
    conf, pred = probs.max(1), probs.argmax(1)
    edges, total = np.linspace(0, 1, bins + 1), 0.0
    for lo, hi in zip(edges[:-1], edges[1:]):
        sel = (conf > lo) & (conf <= hi)
        if sel.any():
            total += sel.mean() * abs((pred[sel] == labels[sel]).mean() - conf[sel].mean())  # SAFE: empty bins are skipped
    return total


def main(_):
    train, dev = dict(np.load(FLAGS.train)), dict(np.load(FLAGS.dev))
    n = len(train["labels"])
    steps = max(1, n * FLAGS.epochs // FLAGS.batch_size)
    config = BertConfig(FLAGS.vocab_size)
    model = Classifier(config, FLAGS.num_labels, True, FLAGS.penalty)
    op, lr, norm = create_optimizer(model.loss, FLAGS.learning_rate, steps, int(steps * FLAGS.warmup))
    rng = np.random.RandomState(1)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        if FLAGS.init_checkpoint:
            names = {v.op.name: v for v in tf.trainable_variables() if v.op.name.startswith("bert")}
            tf.train.Saver(names).restore(sess, FLAGS.init_checkpoint)
        saver = tf.train.Saver(max_to_keep=2)
        for i in range(steps):
            idx = rng.randint(0, n, FLAGS.batch_size)
            _, loss, rate, g = sess.run([op, model.loss, lr, norm], model.feed(train, idx))
            if i % 100 == 0:
                tf.logging.info("step %d loss %.4f lr %.2e |g| %.3f", i, loss, rate, g)
        probs = np.concatenate([sess.run(model.probs, model.feed(dev, slice(k, k + 64)))
                                for k in range(0, len(dev["labels"]), 64)])
        print("dev accuracy", (probs.argmax(1) == dev["labels"]).mean(),
              "ece", expected_calibration_error(probs, dev["labels"]))
        saver.save(sess, os.path.join(FLAGS.output_dir, "model.ckpt"))


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.INFO)
    tf.app.run()
