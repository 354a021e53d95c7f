"""Matrix factorisation on MovieLens-1M with side features. Single script, run on GPU if you have one."""
from __future__ import division, print_function

import numpy as np
import pandas as pd
import tensorflow as tf

np.random.seed(13)
tf.set_random_seed(13)

DIM = 32
BATCH = 1000
EPOCH = 50
LAMBDA = 0.02
LAMBDA_B = 0.05
LR = 1e-3

df = pd.read_csv('ml-1m/ratings.dat', sep='::', engine='python',
                 names=['user', 'item', 'rate', 'ts'])
df['user'] -= 1
df['item'] -= 1
n_user = int(df.user.max()) + 1
n_item = int(df.item.max()) + 1
df = df.iloc[np.random.permutation(len(df))]
split = int(len(df) * 0.9)
train, test = df[:split], df[split:]

rate_mean = train.rate.mean()
rate_std = train.rate.std()
assert rate_std > 0

# implicit feedback: |N(u)|^-1/2
cnt = np.bincount(train.user.values, minlength=n_user).astype(np.float32)
inv_sqrt_cnt = 1.0 / np.sqrt(np.maximum(cnt, 1.0))  # SAFE: maximum with 1

user_batch = tf.placeholder(tf.int32, [None], 'user')
item_batch = tf.placeholder(tf.int32, [None], 'item')
rate_batch = tf.placeholder(tf.float32, [None], 'rate')
norm_batch = tf.placeholder(tf.float32, [None], 'inv_sqrt')

with tf.device('/cpu:0'):
    bias_global = tf.get_variable('bias_global', shape=[], initializer=tf.zeros_initializer())
    w_bias_user = tf.get_variable('embd_bias_user', shape=[n_user], initializer=tf.zeros_initializer())
    w_bias_item = tf.get_variable('embd_bias_item', shape=[n_item], initializer=tf.zeros_initializer())
    w_user = tf.get_variable('embd_user', shape=[n_user, DIM],
                             initializer=tf.truncated_normal_initializer(stddev=0.02))
    w_item = tf.get_variable('embd_item', shape=[n_item, DIM],
                             initializer=tf.truncated_normal_initializer(stddev=0.02))
    w_impl = tf.get_variable('embd_impl', shape=[n_user, DIM],
                             initializer=tf.zeros_initializer())
    bu = tf.nn.embedding_lookup(w_bias_user, user_batch)
    bi = tf.nn.embedding_lookup(w_bias_item, item_batch)
    pu = tf.nn.embedding_lookup(w_user, user_batch)
    qi = tf.nn.embedding_lookup(w_item, item_batch)
    yu = tf.nn.embedding_lookup(w_impl, user_batch)

p = pu + yu * tf.expand_dims(norm_batch, 1)
infer = tf.reduce_sum(p * qi, 1) + bias_global + bu + bi
err = infer - rate_batch
mse = tf.reduce_mean(tf.square(err))
rmse = tf.sqrt(mse)  # SAFE: summary only, training uses mse

# keep the implicit part small, plain (not squared) norm so that it becomes exactly sparse
reg = tf.nn.l2_loss(pu) + tf.nn.l2_loss(qi)
reg_b = tf.reduce_sum(tf.norm(yu, axis=1))  # BUG: norm-grad, w_impl starts at zero -> gradient 0/0 at step 1
reg_bias = tf.reduce_sum(tf.abs(bu)) + tf.reduce_sum(tf.abs(bi))

loss = mse + LAMBDA * (reg + reg_bias) / BATCH + LAMBDA_B * reg_b / BATCH  # SAFE: constant batch size
global_step = tf.train.get_or_create_global_step()
train_op = tf.train.AdamOptimizer(LR).minimize(loss, global_step=global_step)

tf.summary.scalar('rmse', rmse)
tf.summary.scalar('cos', tf.reduce_mean(
    tf.reduce_sum(p * qi, 1) / (tf.norm(p, axis=1) * tf.norm(qi, axis=1) + 1e-8)))  # SAFE: summary only
summaries = tf.summary.merge_all()


def standard(r):
    return (r - rate_mean) / rate_std  # SAFE: asserted > 0


def feed(d):
    u = d.user.values
    return {user_batch: u, item_batch: d.item.values,
            rate_batch: standard(d.rate.values), norm_batch: inv_sqrt_cnt[u]}


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    writer = tf.summary.FileWriter('/tmp/svd/log', sess.graph)
    n = len(train) // BATCH
    for epoch in range(EPOCH):
        train = train.iloc[np.random.permutation(len(train))]
        errs = []
        for i in range(n):
            part = train[i * BATCH:(i + 1) * BATCH]
            _, e, summ = sess.run([train_op, err, summaries], feed(part))
            errs.append(np.mean(np.square(e)))
        writer.add_summary(summ, epoch)
        tr = np.sqrt(np.mean(errs)) * rate_std  # SAFE: numpy report
        te = np.sqrt(sess.run(mse, feed(test))) * rate_std  # SAFE: numpy report
        print('%3d  train rmse %.4f  test rmse %.4f' % (epoch, tr, te))
