import os

import numpy as np
import tensorflow as tf

import options
import schedules
from seq2seq import Translator

PAD, BOS, EOS = 0, 1, 2


class Vocab:
    def __init__(self, strings):
        chars = sorted(set("".join(strings)))
        self.index = {c: i + 3 for i, c in enumerate(chars)}

    def __len__(self):
        return len(self.index) + 3

    def encode(self, s, length):
        ids = [BOS] + [self.index[c] for c in s if c in self.index][:length - 2] + [EOS]
        return ids + [PAD] * (length - len(ids))


def smoothed_loss(eps):
    def loss(y_true, logits):
        n = tf.shape(logits)[-1]
        on = tf.one_hot(tf.cast(y_true, tf.int32), n)
        q = on * (1.0 - eps) + eps / tf.cast(n, tf.float32)  # SAFE: n is the size of the vocabulary, at least 3
        ce = -tf.reduce_sum(q * tf.nn.log_softmax(logits), axis=-1)
        m = tf.cast(tf.not_equal(y_true, PAD), tf.float32)
        return tf.reduce_sum(ce * m) / tf.maximum(tf.reduce_sum(m), 1.0)  # SAFE: maximum with 1 for batches of padding
    return loss


def perplexity(y_true, logits):
    m = tf.cast(tf.not_equal(y_true, PAD), tf.float32)
    ce = tf.keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
    mean = tf.math.divide_no_nan(tf.reduce_sum(ce * m), tf.reduce_sum(m))  # SAFE: divide_no_nan
    return tf.exp(tf.minimum(mean, 20.0))  # SAFE: clipped at 20, a metric


def load(opt):
    with open(opt.pairs, encoding="utf8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if "\t" in line]
    src, tgt = Vocab([r[0] for r in rows]), Vocab([r[1] for r in rows])
    a = np.array([src.encode(r[0], opt.max_len) for r in rows], np.int32)
    b = np.array([tgt.encode(r[1], opt.max_len) for r in rows], np.int32)
    ds = tf.data.Dataset.from_tensor_slices(((a, b[:, :-1]), b[:, 1:]))
    return ds.shuffle(10000).batch(opt.batch_size), src, tgt


def build(opt, n_src, n_tgt):
    model = Translator(n_src, n_tgt, opt)
    optimizer = tf.keras.optimizers.Adam(schedules.make(opt), beta_2=0.98, epsilon=1e-9)  # SAFE: float32 training, Adam divides by the root plus 1e-9 and a zero gradient gives 0 / 1e-9
    model.compile(optimizer, loss=smoothed_loss(opt.label_smoothing), metrics=[perplexity])
    return model


def main():
    opt = options.parse()
    ds, src, tgt = load(opt)
    model = build(opt, len(src), len(tgt))
    model.fit(ds, epochs=opt.epochs)
    os.makedirs(opt.out, exist_ok=True)
    model.save_weights(os.path.join(opt.out, "model.weights.h5"))


if __name__ == "__main__":
    main()
