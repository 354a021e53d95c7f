import tensorflow as tf
import numpy as np
# policy: picks the chosen action's probability
obs = tf.placeholder(tf.float32, [None, 4])
act = tf.placeholder(tf.int32, [None])
rew = tf.placeholder(tf.float32, [None])
h = tf.contrib.layers.fully_connected(obs, 32)
probs = tf.contrib.layers.fully_connected(h, 2, activation_fn=tf.nn.softmax)
idx = tf.range(0, tf.shape(probs)[0]) * tf.shape(probs)[1] + act
picked = tf.gather(tf.reshape(probs, [-1]), idx)
loss = -tf.reduce_mean(tf.log(picked) * rew) # BUG
picked2 = tf.reduce_sum(probs * tf.one_hot(act, 2), axis=1)
loss2 = -tf.reduce_mean(tf.log(picked2) * rew) # BUG
entropy = 0
ok = -tf.reduce_sum(probs * tf.log(probs + 1e-8), axis=1) # SAFE
train = tf.train.AdamOptimizer(1e-2).minimize(loss + loss2)
