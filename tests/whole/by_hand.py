import tensorflow as tf
# hand-written softmax and logsumexp
x = tf.placeholder(tf.float32, [None, 5])
W = tf.get_variable("W", [5, 3])
score = tf.matmul(x, W)
e = tf.exp(score) # BUG
p = e / tf.reduce_sum(e, axis=1, keep_dims=True)
s = score - tf.reduce_max(score, axis=1, keep_dims=True)
es = tf.exp(s) # SAFE
ps = es / tf.reduce_sum(es, axis=1, keep_dims=True) # SAFE
lse = tf.log(tf.reduce_sum(tf.exp(score), 1)) # BUG
sp = tf.log(1 + tf.exp(score)) # BUG
lp = tf.log(tf.nn.sigmoid(score) + 1e-8) # SAFE
lq = tf.log(1 - tf.nn.sigmoid(score) + 1e-8) # SAFE
lr = tf.log(tf.maximum(1 - tf.nn.sigmoid(score), 1e-8)) # SAFE
y = tf.placeholder(tf.float32, [None, 3])
loss = -tf.reduce_sum(y * tf.log(ps + 1e-10)) # SAFE
tf.train.GradientDescentOptimizer(0.1).minimize(loss + tf.reduce_sum(lse) + tf.reduce_sum(sp))
