# logistic regression + a small net on the heart disease csv
# usage: python heart_logreg.py heart.csv
import csv
import sys

import numpy as np
import tensorflow as tf

path = sys.argv[1]
rows = []
with open(path) as fh:
    reader = csv.reader(fh)
    header = next(reader)
    for line in reader:
        if '?' in line:
            continue
        rows.append([float(v) for v in line])
data = np.array(rows, dtype=np.float32)
np.random.shuffle(data)
X, Y = data[:, :-1], data[:, -1:]

# min max scaling
mn, mx = X.min(0), X.max(0)
rng = mx - mn
rng[rng == 0] = 1.0
X = (X - mn) / rng  # SAFE: zero ranges are set to 1 the line before

n_train = int(0.8 * len(X))
trX, teX = X[:n_train], X[n_train:]
trY, teY = Y[:n_train], Y[n_train:]
n_feat = X.shape[1]

learning_rate = 10.0
training_epochs = 2000
display_step = 50

x = tf.placeholder(tf.float32, [None, n_feat])
y = tf.placeholder(tf.float32, [None, 1])

W1 = tf.Variable(tf.random_normal([n_feat, 16], stddev=1.0 / np.sqrt(n_feat)))  # SAFE: n_feat >= 1
b1 = tf.Variable(tf.zeros([16]))
W2 = tf.Variable(tf.random_normal([16, 1]))
b2 = tf.Variable(tf.zeros([1]))

hidden = tf.nn.tanh(tf.matmul(x, W1) + b1)
logit = tf.matmul(hidden, W2) + b2
pred = tf.nn.sigmoid(logit)

# model A: the small net
cost = tf.reduce_mean(tf.square(pred - y))  # BUG: loss-pairing, sigmoid with mean squared error
optimizer = tf.train.AdamOptimizer(learning_rate).minimize(cost)  # BUG: rate, Adam with step 10 saturates everything

# model B: plain logistic regression on the same inputs
W = tf.Variable(tf.zeros([n_feat, 1]))
b = tf.Variable(tf.zeros([1]))
z = tf.matmul(x, W) + b
p = tf.sigmoid(z)
p_c = tf.clip_by_value(p, 1e-6, 1.0 - 1e-6)
cost_b = -tf.reduce_mean(y * tf.log(p_c) + (1.0 - y) * tf.log(1.0 - p_c))  # SAFE: clipped at 1e-6 on both sides, which float32 holds
opt_b = tf.train.GradientDescentOptimizer(0.1).minimize(cost_b)

# model C: stable formula by hand
Wc = tf.Variable(tf.zeros([n_feat, 1]))
zc = tf.matmul(x, Wc)
cost_c = tf.reduce_mean(tf.maximum(zc, 0.) - zc * y + tf.log(1.0 + tf.exp(-tf.abs(zc))))  # SAFE: exponent is never positive
opt_c = tf.train.MomentumOptimizer(0.05, 0.9).minimize(cost_c)

tp = tf.reduce_sum(tf.cast((pred > 0.5) & (y > 0.5), tf.float32))
pp = tf.reduce_sum(tf.cast(pred > 0.5, tf.float32))
ap = tf.reduce_sum(y)
precision = tp / pp  # SAFE: metric only, never part of a loss
recall = tp / tf.maximum(ap, 1.0)  # SAFE: maximum
f1 = 2 * precision * recall / (precision + recall)  # SAFE: metric only

acc = tf.reduce_mean(tf.cast(tf.equal(tf.round(pred), y), tf.float32))

init = tf.global_variables_initializer()
with tf.Session() as sess:
    sess.run(init)
    history = []
    for epoch in range(training_epochs):
        _, _, _, c, cb, cc = sess.run([optimizer, opt_b, opt_c, cost, cost_b, cost_c],
                                      feed_dict={x: trX, y: trY})
        history.append((c, cb, cc))
        if (epoch + 1) % display_step == 0:
            a, f = sess.run([acc, f1], feed_dict={x: teX, y: teY})
            print('Epoch: %04d cost=%.6f (logreg %.6f / %.6f) acc=%.3f f1=%.3f' % (epoch + 1, c, cb, cc, a, f))
    print('weights', sess.run(W).ravel())
    h = np.array(history)
    print('relative improvement', (h[0] - h[-1]) / h[0])  # SAFE: initial cost > 0, printing
    for name, coef in zip(header, sess.run(W).ravel()):
        odds = np.exp(coef)  # SAFE: numpy after training, printing
        print('%-12s odds ratio %.3f' % (name, odds))
