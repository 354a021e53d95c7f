import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 1])
m = tf.cast(tf.shape(x)[0], tf.float32)

w = tf.Variable(tf.zeros([4, 1]))
b = tf.Variable(tf.zeros([1]))
sigma = tf.sigmoid(tf.matmul(x, w) + b)

loss = LOSS
train_step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
