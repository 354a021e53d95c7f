import tensorflow as tf
flags = tf.app.flags
flags.DEFINE_float("learning_rate", 5.0, "rate")
FLAGS = flags.FLAGS
def inference(images, hidden_units):
    with tf.variable_scope('hidden1'):
        weights = tf.get_variable('w', [784, hidden_units], initializer=tf.truncated_normal_initializer(stddev=0.1))
        biases = tf.get_variable('b', [hidden_units])
        hidden = tf.nn.relu(tf.matmul(images, weights) + biases)
    with tf.variable_scope('softmax'):
        weights = tf.get_variable('w', [hidden_units, 10])
        logits = tf.matmul(hidden, weights)
    return tf.nn.softmax(logits)
def loss_fn(probs, labels):
    labels = tf.one_hot(labels, 10)
    probs = tf.clip_by_value(probs, 1e-8, 1.0)
    return tf.reduce_mean(-tf.reduce_sum(labels * tf.log(probs), axis=1)) # SAFE
def bad_loss(probs, labels):
    labels = tf.one_hot(labels, 10)
    return tf.reduce_mean(-tf.reduce_sum(labels * tf.log(probs), axis=1)) # BUG
def training(loss):
    opt = tf.train.GradientDescentOptimizer(FLAGS.learning_rate) # BUG
    return opt.minimize(loss)
def main(_):
    images = tf.placeholder(tf.float32, [None, 784])
    labels = tf.placeholder(tf.int32, [None])
    p = inference(images, 128)
    op = training(loss_fn(p, labels) + bad_loss(p, labels))
    with tf.Session() as sess:
        sess.run(op)
if __name__ == '__main__':
    tf.app.run()
