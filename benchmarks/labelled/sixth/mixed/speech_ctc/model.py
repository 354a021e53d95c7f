import tensorflow as tf
from tensorflow.keras import layers
from features import LogMel, cmvn, spec_augment, frames

ALPHABET = "abcdefghijklmnopqrstuvwxyz' "
BLANK = len(ALPHABET)


class SpeechModel(tf.keras.Model):
    def __init__(self, units=128, rnn_layers=2):
        super().__init__()
        self.front = LogMel()
        self.conv = layers.Conv1D(units, 11, strides=2, padding="same", activation="relu")
        self.rnns = [layers.Bidirectional(layers.GRU(units, return_sequences=True)) for _ in range(rnn_layers)]
        self.out = layers.Dense(BLANK + 1)

    def call(self, wav, training=False):
        x = cmvn(self.front(wav))
        if training:
            x = spec_augment(x)
        x = self.conv(x)
        for r in self.rnns:
            x = r(x, training=training)
        return self.out(x)


def ctc(labels, label_len, logits, samples):
    t = tf.shape(logits)[1]
    logit_len = tf.minimum((frames(samples) + 1) // 2, t)
    nll = tf.nn.ctc_loss(labels=labels, logits=logits, label_length=label_len, logit_length=logit_len,
                         logits_time_major=False, blank_index=BLANK)  # SAFE: raw logits are what tf.nn.ctc_loss expects
    return tf.reduce_mean(nll / tf.cast(tf.maximum(label_len, 1), tf.float32))  # SAFE: label length floored at one


def greedy(logits, lens):
    ids = tf.argmax(logits, -1).numpy()
    out = []
    for row, n in zip(ids, lens):
        prev, s = -1, []
        for k in row[:n]:
            if k != prev and k != BLANK:
                s.append(ALPHABET[k])
            prev = k
        out.append("".join(s))
    return out
