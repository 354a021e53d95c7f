import numpy as np
import tensorflow as tf

(images, labels), _ = tf.keras.datasets.mnist.load_data()
images = images.reshape(-1, 784).astype("float32") / 255.0
targets = np.eye(10, dtype="float32")[labels]

inputs = tf.placeholder(tf.float32, [None, 784])
expected = tf.placeholder(tf.float32, [None, 10])

activations = inputs
widths = [SIZES]
for rows, columns in zip(widths, widths[1:]):
    weights = tf.Variable(tf.random_normal([rows, columns]SPREAD))
    bias = tf.Variable(tf.zeros([columns]))
    activations = tf.sigmoid(tf.matmul(activations, weights) + bias)

gamma = expected - activations
mse = tf.reduce_mean(gamma ** 2 / 2)
learning_rate = RATE
train = tf.train.GradientDescentOptimizer(learning_rate).minimize(mse)

with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for start in range(0, 60000, 100):
        batch = slice(start, start + 100)
        session.run(train, {inputs: images[batch], expected: targets[batch]})
