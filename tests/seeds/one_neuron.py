import tensorflow as tf
xs = tf.placeholder(tf.float32)
ys = tf.placeholder(tf.float32)

w = tf.Variable(tf.constant(0.6))
b = tf.Variable(tf.constant(0.9))

y = tf.nn.sigmoid(w*xs+b)
loss = tf.pow(ys-y, 2)/2
train_step = tf.train.GradientDescentOptimizer(0.15).minimize(loss)
sess = tf.Session()
# important step
sess.run(tf.initialize_all_variables())
for i in range(300):
    _,y_o = sess.run([train_step,y], feed_dict={xs: 1, ys: 0})
    print(y_o)
