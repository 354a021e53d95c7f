import numpy as np
import tensorflow as tf
# standardise data by hand
data = np.loadtxt("d.csv", delimiter=",")
X = data[:, :-1]; Y = data[:, -1:]
X = (X - X.mean(axis=0)) / X.std(axis=0) # BUG
X2 = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8) # SAFE
x = tf.placeholder(tf.float32, [None, 8]); y = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.random_normal([8, 1])); b = tf.Variable(0.0)
pred = tf.matmul(x, w) + b
cost = tf.reduce_sum(tf.pow(pred - y, 2)) / (2 * 100) # SAFE
opt = tf.train.GradientDescentOptimizer(0.01).minimize(cost)
m = tf.exp(pred) / (1 + tf.exp(pred)) # BUG
ll = tf.reduce_mean(y * tf.log(m) + (1 - y) * tf.log(1 - m)) # BUG
pois = tf.reduce_mean(tf.exp(pred) - y * pred) # SAFE
tf.train.AdamOptimizer(0.1).minimize(-ll)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for e in range(100):
        sess.run(opt, feed_dict={x: X, y: Y})
