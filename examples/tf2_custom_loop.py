"""Two moons with a hand-written training loop, TensorFlow 2."""

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
tf.random.set_seed(0)
angles = rng.uniform(0.0, np.pi, size=(512, 1))
side = rng.integers(0, 2, size=(512, 1))
points = np.hstack([np.cos(angles) + side, np.sin(angles) * (1 - 2 * side)]).astype("float32")
labels = tf.one_hot(side[:, 0], 2)

w1 = tf.Variable(tf.random.normal([2, 32], stddev=0.5))
b1 = tf.Variable(tf.zeros([32]))
w2 = tf.Variable(tf.random.normal([32, 2], stddev=0.2))
b2 = tf.Variable(tf.zeros([2]))
variables = [w1, b1, w2, b2]

optimizer = tf.keras.optimizers.Adam(learning_rate=1.0)


def forward(batch):
    hidden = tf.nn.relu(batch @ w1 + b1)
    scores = hidden @ w2 + b2
    # softmax by hand
    exps = tf.exp(scores)
    return exps / tf.reduce_sum(exps, axis=1, keepdims=True)


@tf.function
def train_step(batch, targets):
    with tf.GradientTape() as tape:
        probabilities = forward(batch)
        loss = tf.reduce_mean(-tf.reduce_sum(targets * tf.math.log(probabilities), axis=1))
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables))
    return loss


for epoch in range(50):
    loss = train_step(tf.constant(points), labels)
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", float(loss))
