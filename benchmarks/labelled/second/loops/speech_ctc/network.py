import tensorflow as tf
from tensorflow.keras import layers


class Acoustic(tf.keras.Model):
    def __init__(self, n_symbols, width=96, depth=3):
        super().__init__()
        self.front = layers.Conv1D(width, 5, strides=2, padding="same", activation="relu")
        self.norms = [layers.LayerNormalization() for _ in range(depth)]
        self.rnns = [layers.Bidirectional(layers.GRU(width, return_sequences=True)) for _ in range(depth)]
        self.out = layers.Dense(n_symbols + 1)

    def call(self, x, training=False):
        h = self.front(x)
        for norm, rnn in zip(self.norms, self.rnns):
            h = rnn(norm(h) if h.shape[-1] else h, training=training)
        return self.out(h)


def ctc_objective(logits, logit_len, labels, label_len):
    loss = tf.nn.ctc_loss(labels, logits, label_len, logit_len, logits_time_major=False, blank_index=-1)  # SAFE: raw logits, the network has no softmax
    feasible = tf.cast(logit_len >= 2 * label_len, tf.float32)
    loss = tf.where(feasible > 0, loss, tf.zeros_like(loss))
    per_symbol = loss / tf.cast(tf.maximum(label_len, 1), tf.float32)  # SAFE: label length floored at 1
    return tf.reduce_sum(per_symbol) / tf.maximum(tf.reduce_sum(feasible), 1.0)  # SAFE: count floored at 1


def frame_entropy(logits):
    logp = tf.nn.log_softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(logp) * logp, axis=-1))  # SAFE: log_softmax is finite


def error_rate(hyp, ref):
    d = list(range(len(hyp) + 1))
    for i, r in enumerate(ref, 1):
        prev, d[0] = d[0], i
        for j, h in enumerate(hyp, 1):
            prev, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, prev + (r != h))
    return d[-1] / max(len(ref), 1)  # SAFE: reference length floored at 1
