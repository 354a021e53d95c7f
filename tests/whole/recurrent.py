import tensorflow as tf
# RNN classification with cosine similarity & sqrt
a = tf.placeholder(tf.float32, [None, 10, 50])
cell = tf.nn.rnn_cell.BasicLSTMCell(128)
outputs, state = tf.nn.dynamic_rnn(cell, a, dtype=tf.float32)
last = outputs[:, -1, :]
W = tf.Variable(tf.random_normal([128, 2]))
b = tf.Variable(tf.zeros([2]))
logits = tf.matmul(last, W) + b
p = tf.nn.softmax(logits)
y = tf.placeholder(tf.int32, [None])
yy = tf.one_hot(y, 2)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=p, labels=yy)) # BUG
train = tf.train.AdamOptimizer(0.001).minimize(loss)
norm = tf.sqrt(tf.reduce_sum(tf.square(last), axis=1)) # SAFE
d = tf.sqrt(tf.reduce_sum(tf.square(logits - yy), 1)) # BUG
train2 = tf.train.AdamOptimizer(0.001).minimize(tf.reduce_mean(d))
