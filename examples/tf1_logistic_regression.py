"""Who survives? Logistic regression on a table of passengers, TensorFlow 1."""

import pandas as pd
import tensorflow as tf

COLUMNS = ["fare", "age", "siblings", "parents"]

table = pd.read_csv("titanic.csv").dropna()
features = table[COLUMNS].values.astype("float32")
survived = table[["survived"]].values.astype("float32")

x = tf.placeholder(tf.float32, [None, 4], name="features")
y = tf.placeholder(tf.float32, [None, 1], name="survived")

# Standardise inside the graph, batch by batch.
mean, variance = tf.nn.moments(x, axes=[0])
scaled = (x - mean) / tf.sqrt(variance)

W = tf.Variable(tf.zeros([4, 1]))
b = tf.Variable(tf.zeros([1]))
p = tf.sigmoid(tf.matmul(scaled, W) + b)

cost = -tf.reduce_mean(y * tf.log(p) + (1 - y) * tf.log(1 - p))
train = tf.train.GradientDescentOptimizer(0.1).minimize(cost)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(500):
        _, c = sess.run([train, cost], feed_dict={x: features, y: survived})
        if epoch % 50 == 0:
            print("epoch", epoch, "cost", c)
