import tensorflow as tf
# attention RNN with loops
steps = 5
inputs = tf.placeholder(tf.float32, [None, steps, 16])
cell = tf.contrib.rnn.LSTMCell(32)
state = cell.zero_state(8, tf.float32)
W = tf.get_variable("W", [32, 10]); b = tf.get_variable("b", [10])
targets = tf.placeholder(tf.int32, [None, steps])
loss = 0.0
for t in range(steps):
    out, state = cell(inputs[:, t, :], state)
    p = tf.nn.softmax(tf.matmul(out, W) + b)
    onehot = tf.one_hot(targets[:, t], 10)
    loss += -tf.reduce_mean(tf.reduce_sum(onehot * tf.log(p), 1)) # BUG
outs = []
for t in range(steps):
    outs.append(tf.nn.sigmoid(tf.matmul(out, W)))
stacked = tf.stack(outs)
nll = -tf.reduce_mean(tf.log(stacked)) # BUG
opt = tf.train.AdamOptimizer(0.001)
grads, vs = zip(*opt.compute_gradients(loss + nll))
grads, _ = tf.clip_by_global_norm(grads, 5.0)
train = opt.apply_gradients(zip(grads, vs))
