import tensorflow as tf
from tensorflow.keras import layers
from corpus import CHARS, MAXLEN


class LinearSVM(tf.keras.Model):
    """Baseline on the handcrafted features."""

    def __init__(self):
        super().__init__()
        self.out = layers.Dense(1)

    def call(self, inputs):
        return tf.squeeze(self.out(inputs[1]), -1)

    def objective(self, y, s, w):
        return tf.reduce_mean(w * tf.nn.relu(1.0 - y * s))


class CharCNN(tf.keras.Model):
    def __init__(self, dim=24, ch=48):
        super().__init__()
        self.emb = layers.Embedding(len(CHARS) + 2, dim)
        self.convs = [layers.Conv1D(ch, k, activation="relu", padding="same") for k in (3, 5, 7)]
        self.att = layers.Dense(1)
        self.h = layers.Dense(32, activation="relu")
        self.out = layers.Dense(1)

    def pool(self, x, ids):
        keep = tf.cast(ids > 0, x.dtype)[..., None]
        s = self.att(x) - 1e4 * (1.0 - keep)
        e = tf.exp(s - tf.reduce_max(s, 1, keepdims=True))  # SAFE: maximum over the characters subtracted
        e = e / tf.reduce_sum(e, 1, keepdims=True)  # SAFE: contains exp(0) = 1, also for an empty url
        return tf.reduce_sum(e * x, 1)

    def call(self, inputs):
        ids, hand = inputs
        x = self.emb(ids)
        x = tf.concat([c(x) for c in self.convs], -1)
        return tf.squeeze(self.out(self.h(tf.concat([self.pool(x, ids), hand], -1))), -1)

    def objective(self, y, s, w):
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=s)  # BUG: loss-pairing, corpus.load returns labels in {-1, 1}; with label -1 the cross entropy has no lower bound and the scores run away
        return tf.reduce_mean(w * ce)


class LogisticBag(tf.keras.Model):
    """Bag of characters with the +-1 logistic loss."""

    def __init__(self):
        super().__init__()
        self.emb = layers.Embedding(len(CHARS) + 2, 1)

    def call(self, inputs):
        ids = inputs[0]
        m = tf.cast(ids > 0, tf.float32)
        return tf.reduce_sum(tf.squeeze(self.emb(ids), -1) * m, 1) / tf.sqrt(tf.maximum(tf.reduce_sum(m, 1), 1.0))  # SAFE: length floored at one; constant of the batch

    def objective(self, y, s, w):
        return tf.reduce_mean(w * tf.nn.softplus(-y * s))  # SAFE: stable logistic loss for labels in {-1, 1}


MODELS = {"svm": LinearSVM, "cnn": CharCNN, "bag": LogisticBag}
