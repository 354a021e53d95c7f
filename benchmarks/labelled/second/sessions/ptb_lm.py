"""LSTM language model on the Penn Tree Bank with variational dropout."""
import argparse
import collections
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


class MediumConfig(object):
    init_scale = 0.05
    learning_rate = 1.0
    max_grad_norm = 5
    num_layers = 2
    num_steps = 35
    hidden_size = 650
    max_epoch = 6
    max_max_epoch = 39
    keep_prob = 0.5
    lr_decay = 0.8
    batch_size = 20
    vocab_size = 10000


class TestConfig(MediumConfig):
    num_steps = 5
    hidden_size = 12
    batch_size = 3
    vocab_size = 30
    max_max_epoch = 1


def read_words(filename):
    with tf.gfile.GFile(filename, "r") as f:
        return f.read().replace("\n", "<eos>").split()


def build_vocab(filename):
    counter = collections.Counter(read_words(filename))
    pairs = sorted(counter.items(), key=lambda x: (-x[1], x[0]))
    return {w: i for i, (w, _) in enumerate(pairs)}


def unigram_log_prior(ids, vocab_size):
    counts = np.bincount(ids, minlength=vocab_size).astype(np.float64) + 1.0
    return np.log(counts / counts.sum()).astype(np.float32)  # SAFE: add-one smoothing makes every count positive


def ptb_iterator(ids, batch_size, num_steps):
    ids = np.asarray(ids, np.int32)
    batch_len = len(ids) // batch_size
    data = ids[:batch_size * batch_len].reshape(batch_size, batch_len)
    epoch_size = (batch_len - 1) // num_steps
    if epoch_size == 0:
        raise ValueError("epoch_size == 0, decrease batch_size or num_steps")
    for i in range(epoch_size):
        s = i * num_steps
        yield data[:, s:s + num_steps], data[:, s + 1:s + num_steps + 1]


class PTBModel(object):

    def __init__(self, is_training, config, log_prior=None):
        self.batch_size, self.num_steps = config.batch_size, config.num_steps
        size, vocab = config.hidden_size, config.vocab_size
        self.input_data = tf.placeholder(tf.int32, [self.batch_size, self.num_steps])
        self.targets = tf.placeholder(tf.int32, [self.batch_size, self.num_steps])

        cell = tf.nn.rnn_cell.MultiRNNCell(
            [self._cell(size, config.keep_prob, is_training) for _ in range(config.num_layers)])
        self.initial_state = cell.zero_state(self.batch_size, tf.float32)
        embedding = tf.get_variable("embedding", [vocab, size])
        inputs = tf.nn.embedding_lookup(embedding, self.input_data)
        if is_training and config.keep_prob < 1:
            inputs = tf.nn.dropout(inputs, rate=1.0 - config.keep_prob)  # SAFE: rate is 0.5, and this is skipped when keep_prob is 1
        outputs, self.final_state = tf.nn.dynamic_rnn(cell, inputs, initial_state=self.initial_state)
        output = tf.reshape(outputs, [-1, size])

        w = tf.get_variable("softmax_w", [size, vocab])
        prior = np.zeros(vocab, np.float32) if log_prior is None else log_prior
        b = tf.get_variable("softmax_b", initializer=tf.constant(prior))
        logits = tf.matmul(output, w) + b
        flat = tf.reshape(self.targets, [-1])
        shifted = logits - tf.stop_gradient(tf.reduce_max(logits, 1, keepdims=True))
        log_z = tf.log(tf.reduce_sum(tf.exp(shifted), 1))  # SAFE: the maximum is subtracted so the sum of exponentials is at least 1
        target_logit = tf.reduce_sum(shifted * tf.one_hot(flat, vocab), 1)
        self.cost = tf.reduce_sum(log_z - target_logit) / self.batch_size
        probs = tf.nn.softmax(logits)
        self.entropy = -tf.reduce_mean(tf.reduce_sum(probs * tf.log(probs + 1e-12), 1))  # SAFE: 1e-12 is inside the log and it is a monitoring value
        if not is_training:
            return

        self.lr = tf.Variable(0.0, trainable=False)
        tvars = tf.trainable_variables()
        self.grads = tf.gradients(self.cost, tvars)
        sq = tf.add_n([tf.reduce_sum(tf.square(tf.convert_to_tensor(g))) for g in self.grads])
        norm = tf.sqrt(sq)  # SAFE: the norm of the gradients is not differentiated again
        scale = config.max_grad_norm / tf.maximum(norm, config.max_grad_norm)  # SAFE: denominator is never below max_grad_norm = 5
        clipped = [tf.convert_to_tensor(g) * scale for g in self.grads]
        opt = tf.train.GradientDescentOptimizer(self.lr)
        self.train_op = opt.apply_gradients(zip(clipped, tvars))
        self.new_lr = tf.placeholder(tf.float32, [], name="new_learning_rate")
        self.lr_update = tf.assign(self.lr, self.new_lr)

    @staticmethod
    def _cell(size, keep_prob, is_training):
        cell = tf.nn.rnn_cell.BasicLSTMCell(size, forget_bias=1.0)
        if is_training and keep_prob < 1:
            cell = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=keep_prob)
        return cell


def run_epoch(sess, model, ids, eval_op=None, verbose=False):
    start, costs, iters = time.time(), 0.0, 0
    state = sess.run(model.initial_state)
    fetches = {"cost": model.cost, "state": model.final_state}
    if eval_op is not None:
        fetches["eval"] = eval_op
    for step, (x, y) in enumerate(ptb_iterator(ids, model.batch_size, model.num_steps)):
        feed = {model.input_data: x, model.targets: y}
        for i, (c, h) in enumerate(model.initial_state):
            feed[c], feed[h] = state[i].c, state[i].h
        vals = sess.run(fetches, feed)
        costs += vals["cost"]
        state = vals["state"]
        iters += model.num_steps
        if verbose and step % 100 == 10:
            wps = iters * model.batch_size / max(time.time() - start, 1e-6)
            print("%d perplexity: %.3f speed: %.0f wps" % (step, np.exp(costs / iters), wps))  # SAFE: iters was increased in this pass and the exponent is a per-word cost printed for the log
    return np.exp(costs / iters)  # SAFE: ptb_iterator raises when it would give no batch, so iters is positive


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data_path", default="simple-examples/data")
    p.add_argument("--save_path", default="ptb")
    args = p.parse_args()
    config = MediumConfig()
    vocab = build_vocab(os.path.join(args.data_path, "ptb.train.txt"))
    splits = [[vocab[w] for w in read_words(os.path.join(args.data_path, "ptb.%s.txt" % s)) if w in vocab]
              for s in ("train", "valid")]
    prior = unigram_log_prior(splits[0], config.vocab_size)
    init = tf.random_uniform_initializer(-config.init_scale, config.init_scale)
    with tf.variable_scope("Model", initializer=init):
        m = PTBModel(True, config, prior)
    with tf.variable_scope("Model", reuse=True):
        mvalid = PTBModel(False, config, prior)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(config.max_max_epoch):
            decay = config.lr_decay ** max(i + 1 - config.max_epoch, 0.0)
            sess.run(m.lr_update, {m.new_lr: config.learning_rate * decay})
            print("Epoch %d train ppl %.3f" % (i + 1, run_epoch(sess, m, splits[0], m.train_op, True)))
            print("Epoch %d valid ppl %.3f" % (i + 1, run_epoch(sess, mvalid, splits[1])))
            saver.save(sess, os.path.join(args.save_path, "model"))


if __name__ == "__main__":
    main()
