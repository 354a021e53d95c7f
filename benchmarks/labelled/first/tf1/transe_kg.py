"""TransE on FB15k, with the self-adversarial negative weighting."""
import argparse
import os

import numpy as np
import tensorflow as tf

p = argparse.ArgumentParser()
p.add_argument('--data', default='FB15k')
p.add_argument('--dim', type=int, default=200)
p.add_argument('--margin', type=float, default=24.0)
p.add_argument('--adv_temperature', type=float, default=1.0)
p.add_argument('--neg', type=int, default=64)
p.add_argument('--batch', type=int, default=1024)
p.add_argument('--lr', type=float, default=0.001)
p.add_argument('--steps', type=int, default=100000)
p.add_argument('--l1', action='store_true')
args = p.parse_args()


def load(name, ent, rel):
    out = []
    with open(os.path.join(args.data, name)) as f:
        for line in f:
            h, r, t = line.strip().split('\t')
            out.append((ent.setdefault(h, len(ent)), rel.setdefault(r, len(rel)), ent.setdefault(t, len(ent))))
    return np.array(out, dtype=np.int32)


entities, relations = {}, {}
train = load('train.txt', entities, relations)
valid = load('valid.txt', entities, relations)
n_ent, n_rel = len(entities), len(relations)

# word2vec-like subsampling weight
freq = {}
for h, r, t in train:
    freq[(h, r)] = freq.get((h, r), 4) + 1
    freq[(t, -r - 1)] = freq.get((t, -r - 1), 4) + 1
weight = np.array([np.sqrt(1.0 / (freq[(h, r)] + freq[(t, -r - 1)])) for h, r, t in train], dtype=np.float32)  # SAFE: counts start at 5

bound = 6.0 / np.sqrt(args.dim)  # SAFE: positive size
E = tf.get_variable('entity', [n_ent, args.dim], initializer=tf.random_uniform_initializer(-bound, bound))
R = tf.get_variable('relation', [n_rel, args.dim], initializer=tf.random_uniform_initializer(-bound, bound))

pos = tf.placeholder(tf.int32, [None, 3])
neg_t = tf.placeholder(tf.int32, [None, args.neg])
w = tf.placeholder(tf.float32, [None])

h = tf.nn.embedding_lookup(E, pos[:, 0])
r = tf.nn.embedding_lookup(R, pos[:, 1])
t = tf.nn.embedding_lookup(E, pos[:, 2])
nt = tf.nn.embedding_lookup(E, neg_t)

h = tf.nn.l2_normalize(h, 1)  # SAFE: library epsilon 1e-12
t = tf.nn.l2_normalize(t, 1)  # SAFE: library epsilon
nt = tf.nn.l2_normalize(nt, 2)  # SAFE: library epsilon


def distance(diff):
    if args.l1:
        return tf.reduce_sum(tf.abs(diff), axis=-1)
    return tf.sqrt(tf.reduce_sum(tf.square(diff), axis=-1) + 1e-12)  # SAFE: epsilon in the root, gradient at most 1e6


pos_score = args.margin - distance(h + r - t)
neg_score = args.margin - distance(tf.expand_dims(h + r, 1) - nt)

# self adversarial weights
ex = tf.exp(args.adv_temperature * neg_score * 4.0)  # BUG: exp-overflow, score up to 24 -> exp(96) = inf
adv = tf.stop_gradient(ex / tf.reduce_sum(ex, axis=1, keep_dims=True))  # MAYBE: the quotient inf/inf of the line above

log_pos = tf.log(tf.nn.sigmoid(pos_score) + 1e-9)  # SAFE: sigmoid + 1e-9
log_neg = tf.log(1.0 - tf.nn.sigmoid(neg_score))  # BUG: log-sigmoid, neg_score 20 at the start already gives 1 - 1 = 0
neg_part = tf.reduce_sum(adv * log_neg, 1)
wsum = tf.reduce_sum(w)
loss = -(tf.reduce_sum(w * log_pos) + tf.reduce_sum(w * neg_part)) / (2.0 * wsum)  # SAFE: weights positive, batch not empty

lr = tf.train.piecewise_constant(tf.train.get_or_create_global_step(), [args.steps // 2], [args.lr, args.lr * 0.1])
train_op = tf.train.AdamOptimizer(lr).minimize(loss, global_step=tf.train.get_global_step())

# evaluation: rank of the true tail
all_dist = tf.reduce_sum(tf.abs(tf.expand_dims(h + r, 1) - tf.expand_dims(tf.nn.l2_normalize(E, 1), 0)), 2)  # SAFE: library epsilon
true_dist = tf.reduce_sum(tf.abs(h + r - t), 1, keep_dims=True)
rank = 1 + tf.reduce_sum(tf.to_int32(all_dist < true_dist), 1)
mrr = tf.reduce_mean(1.0 / tf.to_float(rank))  # SAFE: rank >= 1

config = tf.ConfigProto()
config.gpu_options.allow_growth = True
with tf.Session(config=config) as sess:
    sess.run(tf.global_variables_initializer())
    saver = tf.train.Saver(max_to_keep=2)
    for step in range(args.steps):
        idx = np.random.randint(0, len(train), args.batch)
        neg = np.random.randint(0, n_ent, (args.batch, args.neg))
        _, l = sess.run([train_op, loss], {pos: train[idx], neg_t: neg, w: weight[idx]})
        if step % 1000 == 0:
            vi = np.random.randint(0, len(valid), 16)
            print(step, l, 'mrr', sess.run(mrr, {pos: valid[vi]}))
        if step % 20000 == 0:
            saver.save(sess, 'ckpt/transe', global_step=step)
