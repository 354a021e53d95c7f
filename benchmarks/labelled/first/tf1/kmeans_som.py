#!/usr/bin/env python
"""Clustering the color palette of an image: k-means in tensorflow and then a SOM on top for fun."""
import sys

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image

K = 16
MAX_ITERS = 200
GRID_M, GRID_N = 8, 8
SOM_ITERS = 100
ALPHA = 0.3
SIGMA = max(GRID_M, GRID_N) / 2.0  # SAFE: constant

fname = sys.argv[1] if len(sys.argv) > 1 else 'parrot.jpg'
img = np.asarray(Image.open(fname).convert('RGB'), dtype=np.float32) / 255.0  # SAFE: constant
pixels = img.reshape(-1, 3)
N = pixels.shape[0]
print('pixels:', N)

# ------------------------------------------------------------- k-means
points = tf.Variable(pixels, trainable=False)
cluster_assignments = tf.Variable(tf.zeros([N], dtype=tf.int64))
centroids = tf.Variable(tf.random_uniform([K, 3]))

rep_centroids = tf.expand_dims(centroids, 0)
rep_points = tf.expand_dims(points, 1)
sum_squares = tf.reduce_sum(tf.square(rep_points - rep_centroids), axis=2)
best_centroids = tf.argmin(sum_squares, 1)
did_assignments_change = tf.reduce_any(tf.not_equal(best_centroids, cluster_assignments))
inertia = tf.reduce_mean(tf.sqrt(tf.reduce_min(sum_squares, 1)))  # SAFE: reporting, nothing is differentiated


def bucket_mean(data, bucket_ids, num_buckets):
    total = tf.unsorted_segment_sum(data, bucket_ids, num_buckets)
    count = tf.unsorted_segment_sum(tf.ones_like(data), bucket_ids, num_buckets)
    return total / count  # BUG: div-zero, a cluster that no point is assigned to gives 0/0


means = bucket_mean(points, best_centroids, K)
with tf.control_dependencies([did_assignments_change]):
    do_updates = tf.group(centroids.assign(means), cluster_assignments.assign(best_centroids))

# ------------------------------------------------------------- SOM
weightage = tf.Variable(tf.random_normal([GRID_M * GRID_N, 3], stddev=0.1))
locations = tf.constant(np.array([[i, j] for i in range(GRID_M) for j in range(GRID_N)]), dtype=tf.float32)
vect_input = tf.placeholder(tf.float32, [3])
iter_input = tf.placeholder(tf.float32, [])

bmu_index = tf.argmin(tf.sqrt(tf.reduce_sum(tf.square(weightage - vect_input), 1)), 0)  # SAFE: not differentiated
bmu_loc = tf.gather(locations, bmu_index)

learning_rate_op = 1.0 - iter_input / float(SOM_ITERS)  # SAFE: constant
alpha_op = ALPHA * learning_rate_op
sigma_op = SIGMA * learning_rate_op
bmu_distance_squares = tf.reduce_sum(tf.square(locations - bmu_loc), 1)
neighbourhood = tf.exp(-bmu_distance_squares / tf.square(sigma_op))  # BUG: div-zero, the loop feeds iter == SOM_ITERS, sigma 0, -0/0 at the bmu itself
rate = alpha_op * neighbourhood
som_delta = tf.expand_dims(rate, 1) * (vect_input - weightage)
som_train = weightage.assign_add(som_delta)

# quantisation error, gaussian kernel density of the map (for the plot)
bandwidth = tf.maximum(tf.reduce_mean(tf.square(weightage - tf.reduce_mean(weightage, 0))), 1e-3)
density = tf.reduce_sum(tf.exp(-sum_squares / (2.0 * bandwidth)))  # SAFE: bandwidth >= 1e-3 and exponent <= 0

sess = tf.Session()
sess.run(tf.global_variables_initializer())

changed = True
iters = 0
while changed and iters < MAX_ITERS:
    iters += 1
    changed, _ = sess.run([did_assignments_change, do_updates])
    if iters % 10 == 0:
        print('iter %d  mean distance %.5f' % (iters, sess.run(inertia)))

cent, assign = sess.run([centroids, cluster_assignments])
print('k-means done after %d iterations' % iters)

for it in range(1, SOM_ITERS + 1):
    subset = pixels[np.random.choice(N, 200)]
    for v in subset:
        sess.run(som_train, feed_dict={vect_input: v, iter_input: it})
    if it % 10 == 0:
        w = sess.run(weightage)
        print('som iter', it, 'spread', w.std())

som_colors = sess.run(weightage).reshape(GRID_M, GRID_N, 3)
hist = np.bincount(assign, minlength=K).astype(np.float32)
hist = hist / hist.sum()  # SAFE: N > 0 pixels
lo, hi = som_colors.min(), som_colors.max()
som_img = (som_colors - lo) / (hi - lo + 1e-6)  # SAFE: epsilon, plot only

fig, ax = plt.subplots(1, 3)
ax[0].imshow(img)
ax[1].bar(np.arange(K), hist, color=np.clip(cent, 0, 1))
ax[2].imshow(som_img)
plt.savefig('palette.png')
sess.close()
