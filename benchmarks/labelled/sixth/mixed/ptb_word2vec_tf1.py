"""Skip-gram with sampled losses in graph mode (tf.compat.v1)."""
import argparse
import collections
import os
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def build_dataset(words, n):
    count = [("UNK", 0)] + collections.Counter(words).most_common(n - 1)
    table = {w: k for k, (w, _) in enumerate(count)}
    data = np.array([table.get(w, 0) for w in words], "int32")
    freq = np.bincount(data, minlength=len(count)).astype("float64")
    return data, freq, table


def keep_probability(freq, t=1e-3):
    f = freq / max(freq.sum(), 1.0)  # SAFE: token total floored at one
    f = np.maximum(f, 1e-12)
    return np.minimum(np.sqrt(t / f) + t / f, 1.0)  # SAFE: frequencies floored at 1e-12, numpy, then capped at 1


def skipgrams(data, keep, batch, window, rng):
    while True:
        c, t = [], []
        while len(c) < batch:
            i = rng.randint(window, len(data) - window)
            if rng.rand() > keep[data[i]]:
                continue
            r = rng.randint(1, window + 1)
            for j in range(i - r, i + r + 1):
                if j != i:
                    c.append(data[i])
                    t.append(data[j])
        yield np.array(c[:batch], "int32"), np.array(t[:batch], "int32")[:, None]


class Word2Vec:
    def __init__(self, vocab, dim, freq, num_neg=64, mode="neg", lr=0.2, steps=100000):
        self.vocab, self.dim, self.mode, self.num_neg = vocab, dim, mode, num_neg
        self.inputs = tf.placeholder(tf.int32, [None])
        self.labels = tf.placeholder(tf.int32, [None, 1])
        self.freq = freq
        self.emb = tf.Variable(tf.random_uniform([vocab, dim], -0.5 / dim, 0.5 / dim))  # SAFE: dim is a positive constructor argument
        self.w = tf.Variable(tf.truncated_normal([vocab, dim], stddev=1.0 / np.sqrt(dim)))  # SAFE: square root of a positive integer
        self.b = tf.Variable(tf.zeros([vocab]))
        h = tf.nn.embedding_lookup(self.emb, self.inputs)
        self.loss = self.negative_loss(h) if mode == "neg" else self.sampled_loss(h)
        self.full_nll = self.exact_nll(h)
        gs = tf.train.get_or_create_global_step()
        rate = tf.train.polynomial_decay(lr, gs, steps, lr * 1e-2)
        opt = tf.train.GradientDescentOptimizer(rate)
        gv = opt.compute_gradients(self.loss, [self.emb, self.w, self.b])
        gv = [(tf.clip_by_norm(tf.convert_to_tensor(g), 5.0), v) for g, v in gv if g is not None]  # SAFE: clip_by_norm treats a zero gradient correctly
        self.train_op = opt.apply_gradients(gv, global_step=gs)
        self.sim = self.similarity()

    def negative_loss(self, h):
        noise, _, _ = tf.nn.fixed_unigram_candidate_sampler(tf.cast(self.labels, tf.int64), 1, self.num_neg, False, self.vocab,
                                                            distortion=0.75, unigrams=[float(max(f, 1.0)) for f in self.freq])  # SAFE: unigram counts floored at one
        lab = tf.squeeze(self.labels, 1)
        pos = tf.reduce_sum(h * tf.nn.embedding_lookup(self.w, lab), 1) + tf.nn.embedding_lookup(self.b, lab)
        neg = tf.matmul(h, tf.nn.embedding_lookup(self.w, noise), transpose_b=True) + tf.nn.embedding_lookup(self.b, noise)
        pos_l = -tf.log_sigmoid(pos)  # SAFE: log_sigmoid is the stable op
        neg_l = tf.nn.softplus(neg)
        return tf.reduce_mean(pos_l + tf.reduce_sum(neg_l, 1))

    def sampled_loss(self, h):
        return tf.reduce_mean(tf.nn.sampled_softmax_loss(self.w, self.b, self.labels, h, self.num_neg, self.vocab))  # SAFE: works on raw weights, probabilities of the sampler are never 0

    def exact_nll(self, h):
        logits = tf.matmul(h, self.w, transpose_b=True) + self.b
        logits -= tf.reduce_max(logits, 1, keepdims=True)
        logz = tf.log(tf.reduce_sum(tf.exp(logits), 1))  # SAFE: row maximum subtracted, the sum is at least 1
        picked = tf.reduce_sum(logits * tf.one_hot(tf.squeeze(self.labels, 1), self.vocab), 1)
        return tf.reduce_mean(logz - picked)

    def similarity(self):
        norm = tf.sqrt(tf.reduce_sum(tf.square(self.emb), 1, keepdims=True))  # SAFE: nearest neighbour report, not differentiated
        unit = self.emb / tf.maximum(norm, 1e-8)  # SAFE: norm floored
        return tf.matmul(tf.nn.embedding_lookup(unit, self.inputs), unit, transpose_b=True)


def perplexity(nll):
    return float(np.exp(min(nll, 30.0)))  # SAFE: exponent capped at 30


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corpus", default="text8")
    p.add_argument("--vocab", type=int, default=50000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--steps", type=int, default=100000)
    p.add_argument("--mode", choices=["neg", "sampled"], default="neg")
    p.add_argument("--out", default="w2v")
    a = p.parse_args()
    data, freq, table = build_dataset(open(a.corpus).read().split(), a.vocab)
    model = Word2Vec(len(freq), a.dim, freq, mode=a.mode, steps=a.steps)
    gen = skipgrams(data, keep_probability(freq), 256, 3, np.random.RandomState(0))
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        avg = 0.0
        for step in range(1, a.steps + 1):
            c, t = next(gen)
            l, _ = sess.run([model.loss, model.train_op], {model.inputs: c, model.labels: t})
            avg += l
            if step % 2000 == 0:
                nll = sess.run(model.full_nll, {model.inputs: c, model.labels: t})
                print(step, avg / 2000, perplexity(nll))
                avg = 0.0
        os.makedirs(a.out, exist_ok=True)
        saver.save(sess, os.path.join(a.out, "w2v.ckpt"))


if __name__ == "__main__":
    main()
