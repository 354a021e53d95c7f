import keras
import tensorflow as tf
from keras import layers

from dataset import ALPHABET, BLANK


class AcousticModel(keras.Model):
    """Two strided convolutions, bidirectional GRUs, linear output."""

    def __init__(self, units=256, n_rnn=3, dropout=0.2):
        super().__init__()
        self.c1 = layers.Conv1D(units, 11, strides=2, padding="same", use_bias=False)
        self.b1 = layers.BatchNormalization()
        self.c2 = layers.Conv1D(units, 11, strides=2, padding="same", use_bias=False)
        self.b2 = layers.BatchNormalization()
        self.rnns = [layers.Bidirectional(layers.GRU(units, return_sequences=True)) for _ in range(n_rnn)]
        self.drop = layers.Dropout(dropout)
        self.out = layers.Dense(len(ALPHABET))

    def call(self, x, training=False):
        x = tf.nn.relu(self.b1(self.c1(x), training=training))
        x = tf.nn.relu(self.b2(self.c2(x), training=training))
        for r in self.rnns:
            x = self.drop(r(x), training=training)
        return self.out(x)

    @staticmethod
    def output_length(frames):
        return (((frames + 1) // 2) + 1) // 2


def ctc_objective(logits, logit_len, labels, label_len):
    per_utt = tf.nn.ctc_loss(labels=labels, logits=logits, label_length=label_len,
                             logit_length=logit_len, logits_time_major=False, blank_index=BLANK)  # MAYBE: fast speakers can have more characters than output frames, the loss is then a large finite constant
    per_char = per_utt / tf.cast(label_len, tf.float32)  # SAFE: read_manifest drops empty labels
    return tf.reduce_mean(per_char)


def greedy(logits, lengths):
    ids = tf.argmax(logits, -1, output_type=tf.int32).numpy()
    out = []
    for row, n in zip(ids, lengths.numpy()):
        prev, seq = -1, []
        for c in row[:n]:
            if c != prev and c != BLANK:
                seq.append(int(c))
            prev = c
        out.append(seq)
    return out


def confidence(logits, lengths):
    best = tf.reduce_max(tf.nn.log_softmax(logits), axis=-1)  # SAFE: log_softmax of finite logits
    mask = tf.sequence_mask(lengths, tf.shape(logits)[1], dtype=tf.float32)
    mean = tf.reduce_sum(best * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1.0)  # SAFE: floor of one
    return tf.exp(mean)  # SAFE: a mean of log-probabilities is never positive
