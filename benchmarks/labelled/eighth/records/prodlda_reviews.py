"""ProdLDA topic model (Srivastava & Sutton 2017) for hotel reviews.

usage: prodlda_reviews.py counts.npz vocab.txt [topics]
counts.npz holds a CSR matrix: data, indices, indptr, shape; words of the vocabulary marked with # (hotel names) are left out
"""
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, optimizers

TOPICS = 40
ALPHA = 0.02
HIDDEN = 100
BATCH = 200
EPOCHS = 80
LR = 2e-3
BETA1 = 0.99


class Counts:
    def __init__(self, path, allowed, min_words=10):
        self.allowed = allowed
        with np.load(path) as z:
            self.data, self.idx, self.ptr = z["data"].astype(np.float32), z["indices"], z["indptr"]
            self.n_docs, self.n_words = (int(v) for v in z["shape"])
        lengths = np.add.reduceat(np.append(self.data, 0), self.ptr[:-1])
        lengths[np.diff(self.ptr) == 0] = 0
        self.docs = np.flatnonzero(lengths >= min_words)

    def rows(self, docs):
        out = np.zeros((len(docs), self.n_words), np.float32)
        for r, d in enumerate(docs):
            sl = slice(self.ptr[d], self.ptr[d + 1])
            out[r, self.idx[sl]] = self.data[sl]
        return out * self.allowed

    def batches(self, rng, size, docs=None):
        docs = self.docs if docs is None else docs
        order = rng.permutation(docs)
        for i in range(0, len(order), size):
            yield self.rows(order[i:i + size])

    def background(self):
        freq = np.bincount(self.idx, weights=self.data, minlength=self.n_words)
        return np.log((freq + 0.5) / (freq.sum() + 0.5 * self.n_words)).astype(np.float32)  # SAFE: half a count is added


def laplace_prior(k, alpha):
    """Logistic-normal approximation of a symmetric Dirichlet."""
    a = np.full((1, k), alpha)
    mu = np.log(a) - np.log(a).mean(1, keepdims=True)  # SAFE: alpha is a positive constant
    var = (1.0 / a) * (1 - 2.0 / k) + 1.0 / (k * k) * (1.0 / a).sum(1, keepdims=True)  # SAFE: positive constants
    return mu.astype(np.float32), var.astype(np.float32)


class ProdLDA(tf.Module):
    def __init__(self, n_words, k, alpha, allowed):
        super().__init__()
        self.enc = tf.keras.Sequential([
            layers.Input((n_words,)),
            layers.Dense(HIDDEN, activation="softplus"),
            layers.Dense(HIDDEN, activation="softplus"),
            layers.Dropout(0.2)])
        self.mean, self.logvar = layers.Dense(k), layers.Dense(k)
        self.bn_mean, self.bn_var = layers.BatchNormalization(scale=False), layers.BatchNormalization(scale=False)
        self.topics = layers.Dense(n_words, use_bias=False)
        self.bn_out = layers.BatchNormalization(scale=False)
        self.allowed = tf.constant(allowed)[None]
        self.mu0, self.var0 = (tf.constant(v) for v in laplace_prior(k, alpha))
        for part in (self.mean, self.logvar):
            part.build((None, HIDDEN))
        self.topics.build((None, k))
        for bn, d in ((self.bn_mean, k), (self.bn_var, k), (self.bn_out, n_words)):
            bn.build((None, d))
        self.parts = [self.enc, self.mean, self.logvar, self.bn_mean, self.bn_var, self.topics, self.bn_out]

    @property
    def weights(self):
        return [v for p in self.parts for v in p.trainable_variables]

    def encode(self, x, training):
        h = self.enc(tf.math.log1p(x), training=training)  # SAFE: counts are not negative
        mu = self.bn_mean(self.mean(h), training=training)
        logvar = tf.clip_by_value(self.bn_var(self.logvar(h), training=training), -10.0, 10.0)
        return mu, logvar

    def decode(self, z, training):
        theta = tf.nn.softmax(z)
        theta = tf.nn.dropout(theta, 0.2) if training else theta
        p = tf.nn.softmax(self.bn_out(self.topics(theta), training=training)) * self.allowed
        return p / tf.reduce_sum(p, axis=1, keepdims=True)  # SAFE: batch-normalised logits cannot empty all the allowed words

    def loss(self, x, training=True):
        mu, logvar = self.encode(x, training)
        var = tf.exp(logvar)  # SAFE: clipped to ten
        z = mu + tf.sqrt(var) * tf.random.normal(tf.shape(mu))  # SAFE: var is at least exp(-10)
        p = self.decode(z, training)
        rec = -tf.reduce_sum(x * tf.math.log(p), 1)  # BUG: zero-log-zero, left-out words have count 0 and probability 0 and 0 * -inf is NaN
        kl = 0.5 * tf.reduce_sum(var / self.var0 + (mu - self.mu0) ** 2 / self.var0  # SAFE: the prior variance is a positive constant
                                 - 1.0 + tf.math.log(self.var0) - logvar, 1)
        return tf.reduce_mean(rec + kl), tf.reduce_mean(rec), tf.reduce_sum(x)


def top_words(beta, vocab, n=10):
    for k, row in enumerate(beta):
        yield k, [vocab[i] for i in np.argsort(-row)[:n]]


def npmi(beta, binary, n=10):
    """Mean normalised PMI of the top words, on document co-occurrence."""
    docs = len(binary)
    scores = []
    for row in beta:
        top = np.argsort(-row)[:n]
        sub = binary[:, top]
        p1 = (sub.sum(0) + 1.0) / (docs + 1.0)
        p2 = (sub.T @ sub + 1.0) / (docs + 2.0)
        pmi = np.log(p2 / np.outer(p1, p1))  # SAFE: one is added to the counts
        score = pmi / -np.log(p2)  # SAFE: docs + 2 keeps p2 strictly below one
        scores.append(score[~np.eye(n, dtype=bool)].mean())
    return float(np.mean(scores))


def main():
    with open(sys.argv[2], encoding="utf-8") as fh:
        vocab = [w.strip() for w in fh]
    allowed = np.array([not w.startswith("#") for w in vocab], np.float32)
    counts = Counts(sys.argv[1], allowed)
    k = int(sys.argv[3]) if len(sys.argv) > 3 else TOPICS
    rng = np.random.default_rng(4)
    cut = max(len(counts.docs) // 10, 1)
    held, train = counts.docs[:cut], counts.docs[cut:]
    print("%d documents, entropy of background %.3f" % (
        len(train), -(np.exp(counts.background()) * counts.background()).sum()))  # SAFE: the background is smoothed

    model = ProdLDA(counts.n_words, k, ALPHA, allowed)
    opt = optimizers.Adam(LR, beta_1=BETA1)

    @tf.function(reduce_retracing=True)
    def step(x):
        with tf.GradientTape() as tape:
            loss, rec, n = model.loss(x)
        grads = tape.gradient(loss, model.weights)
        opt.apply_gradients(zip(grads, model.weights))
        return loss, rec, n

    for epoch in range(EPOCHS):
        losses = [step(tf.constant(x))[0].numpy() for x in counts.batches(rng, BATCH, train)]
        if epoch % 5 == 4:
            nll, words = 0.0, 0.0
            for x in counts.batches(rng, BATCH, held):
                _, rec, n = model.loss(tf.constant(x), training=False)
                nll += float(rec) * len(x)
                words += float(n)
            print("epoch %d loss %.3f perplexity %.1f" % (epoch + 1, np.mean(losses), np.exp(min(nll / max(words, 1.0), 50.0))))  # SAFE: capped and floored
    beta = model.topics.kernel.numpy()
    for i, words in top_words(beta, vocab):
        print(i, " ".join(words))
    print("npmi %.4f" % npmi(beta, (counts.rows(held) > 0).astype(np.float64)))
    np.save("topics.npy", beta)


if __name__ == "__main__":
    main()
