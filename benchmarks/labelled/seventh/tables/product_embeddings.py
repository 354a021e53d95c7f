# Product matching: learns an embedding of listing titles (hashed n-grams) with
# triplets + center loss. Kaggle notebook exported to a script.
import csv
import os
import random
from collections import defaultdict

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SEED = 2021
DATA_DIR = "../input/listings"
N_HASH = 20000
MAX_NGRAMS = 96
EMB = 128
P, K = 16, 4  # products per batch, at most K listings per product
MARGIN = 0.3
CENTER_W = 0.01
EPOCHS = 10
LR = 5e-4


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)


def ngrams(title, n=3):
    t = "#" + title.lower().strip() + "#"
    return [t[i:i + n] for i in range(max(len(t) - n + 1, 1))]


def stable_hash(s):
    h = 5381
    for c in s:
        h = (h * 33 + ord(c)) % 4294967291
    return 1 + h % (N_HASH - 1)


def encode(titles):
    out = np.zeros((len(titles), MAX_NGRAMS), np.int32)
    for r, t in enumerate(titles):
        ids = [stable_hash(g) for g in ngrams(t)][:MAX_NGRAMS]
        out[r, :len(ids)] = ids
    return out


def read_train(path):
    titles, groups = [], []
    with open(path, newline="") as fh:
        for row in csv.DictReader(fh):
            titles.append(row["title"])
            groups.append(int(row["label_group"]))
    uniq = {g: i for i, g in enumerate(sorted(set(groups)))}
    return encode(titles), np.array([uniq[g] for g in groups])


def pk_batches(x, y, steps):
    index = defaultdict(list)
    for i, g in enumerate(y):
        index[g].append(i)
    groups = list(index)
    for _ in range(steps):
        rows = []
        for g in random.sample(groups, min(P, len(groups))):
            rows += random.sample(index[g], min(K, len(index[g])))
        yield x[rows], y[rows]


class TitleEncoder(keras.Model):

    def __init__(self):
        super().__init__()
        self.emb = layers.Embedding(N_HASH, EMB)
        self.score = layers.Dense(1)
        self.fc = layers.Dense(EMB, activation="relu")
        self.bn = layers.BatchNormalization()

    def call(self, ids, training=False):
        e = self.emb(ids)
        mask = tf.cast(ids > 0, tf.float32)
        s = self.score(e)[..., 0] - 1e9 * (1.0 - mask)
        w = tf.nn.softmax(s, axis=1)  # SAFE: every title has at least one n-gram, and softmax subtracts its maximum
        att = tf.reduce_sum(e * w[..., None], 1)
        mean = tf.reduce_sum(e * mask[..., None], 1) / tf.reduce_sum(mask, 1, keepdims=True)  # SAFE: ngrams() returns at least one item
        h = self.bn(self.fc(tf.concat([att, mean], -1)), training=training)
        return tf.math.l2_normalize(h, axis=-1)  # SAFE: epsilon inside l2_normalize


def pairwise_distances(emb):
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = sq[None, :] - 2.0 * dot + sq[:, None]
    return tf.sqrt(tf.maximum(d2, 0.0))  # BUG: sqrt-grad, distance 0 has an infinite gradient and is selected for identical titles and for a listing alone in its group


def masked_minimum(d, mask):
    top = tf.reduce_max(d, axis=1, keepdims=True)
    return tf.reduce_min((d - top) * mask, axis=1, keepdims=True) + top


def batch_hard(emb, labels, margin):
    d = pairwise_distances(emb)
    same = tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32)
    hardest_pos = tf.reduce_max(d * same, axis=1, keepdims=True)
    hardest_neg = masked_minimum(d, 1.0 - same)
    return tf.reduce_mean(tf.maximum(hardest_pos - hardest_neg + margin, 0.0))


def batch_all(emb, labels, margin):
    sim = tf.matmul(emb, emb, transpose_b=True)
    d = tf.sqrt(tf.maximum(2.0 - 2.0 * sim, 1e-9))  # SAFE: floored above zero, maximum passes no gradient there
    same = tf.equal(labels[:, None], labels[None, :])
    eye = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    pos = tf.cast(tf.logical_and(same, tf.logical_not(eye)), tf.float32)
    neg = tf.cast(tf.logical_not(same), tf.float32)
    t = tf.maximum(d[:, :, None] - d[:, None, :] + margin, 0.0) * pos[:, :, None] * neg[:, None, :]
    active = tf.reduce_sum(tf.cast(t > 1e-9, tf.float32))
    return tf.reduce_sum(t) / (active + 1e-9)  # SAFE: active is a count of at least one or t is all zero, then 0 / 1e-9


class CenterLoss:
    """Running centers; a class not seen before starts at the embedding of its first listing."""

    def __init__(self, n_classes, momentum=0.9):
        self.centers = tf.Variable(tf.zeros([n_classes, EMB]), trainable=False)
        self.seen = np.zeros(n_classes, bool)
        self.momentum = momentum

    def update(self, emb, labels):
        e = emb.numpy()
        c = self.centers.numpy()
        for v, g in zip(e, labels):
            c[g] = v if not self.seen[g] else self.momentum * c[g] + (1 - self.momentum) * v
            self.seen[g] = True
        self.centers.assign(c)

    def __call__(self, emb, labels):
        c = tf.stop_gradient(tf.gather(self.centers, labels))
        return tf.reduce_mean(tf.norm(emb - c, axis=-1))  # BUG: norm-grad, a listing can sit exactly on its center when it is the first of its group

    def spread(self):
        c = self.centers.numpy()[self.seen]
        n = np.linalg.norm(c, axis=1, keepdims=True)
        return float((c / np.maximum(n, 1e-6)).std())  # SAFE: floored norm, logging only


def info_nce(emb, labels, temperature=0.07):
    sim = tf.matmul(emb, emb, transpose_b=True) / temperature  # SAFE: temperature is the constant 0.07
    n = tf.shape(labels)[0]
    sim = sim - 1e4 * tf.eye(n)
    pos = tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32) - tf.eye(n)
    logp = sim - tf.reduce_logsumexp(sim, axis=1, keepdims=True)  # SAFE: logsumexp subtracts the maximum
    return -tf.reduce_mean(tf.reduce_sum(logp * pos, 1) / tf.maximum(tf.reduce_sum(pos, 1), 1.0))  # SAFE: floor of one


def recall_at_1(emb, y):
    sim = emb @ emb.T
    np.fill_diagonal(sim, -np.inf)  # SAFE: only argmax is taken of this matrix
    return float((y[sim.argmax(1)] == y).mean())


def train_one_step(model, opt, center, xb, yb):
    emb0 = model(xb, training=False)
    center.update(emb0, yb)
    yt = tf.constant(yb, tf.int32)
    with tf.GradientTape() as tape:
        emb = model(xb, training=False) if center.seen.sum() < 100 else model(xb, training=True)
        loss = batch_hard(emb, yt, MARGIN)
        aux = 0.5 * batch_all(emb, yt, MARGIN) + 0.1 * info_nce(emb, yt)
        total = loss + aux + CENTER_W * center(emb, yt)
    grads = tape.gradient(total, model.trainable_variables)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return float(total)


def run():
    seed_everything(SEED)
    x, y = read_train(os.path.join(DATA_DIR, "train.csv"))
    perm = np.random.permutation(len(x))
    n_val = len(x) // 10
    xv, yv, xt, yt = x[perm[:n_val]], y[perm[:n_val]], x[perm[n_val:]], y[perm[n_val:]]
    steps = max(len(xt) // (P * K), 1)
    model = TitleEncoder()
    center = CenterLoss(int(y.max()) + 1)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LR, EPOCHS * steps))
    best = 0.0
    for epoch in range(EPOCHS):
        losses = [train_one_step(model, opt, center, xb, yb) for xb, yb in pk_batches(xt, yt, steps)]
        emb = model.predict(xv, batch_size=512, verbose=0)
        r1 = recall_at_1(emb, yv)
        print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f} recall@1 {r1:.4f} spread {center.spread():.3f}")  # SAFE: steps is at least one
        if r1 > best:
            best = r1
            model.save_weights("best.weights.h5")


if __name__ == "__main__":
    run()
