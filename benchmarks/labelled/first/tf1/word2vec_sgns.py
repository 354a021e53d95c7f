# skip-gram with negative sampling, written out by hand instead of nce_loss
import collections
import math
import os
import random
import zipfile

import numpy as np
import tensorflow as tf

vocabulary_size = 50000
batch_size = 128
embedding_size = 128
skip_window = 2
num_neg = 16
num_steps = 200001
sample_t = 1e-4


def read_data(filename):
    with zipfile.ZipFile(filename) as f:
        return tf.compat.as_str(f.read(f.namelist()[0])).split()


words = read_data(os.path.join('data', 'text8.zip'))
count = [['UNK', 1]]
count.extend(collections.Counter(words).most_common(vocabulary_size - 1))
dictionary = {w: i for i, (w, _) in enumerate(count)}
data = [dictionary.get(w, 0) for w in words]
count[0][1] = max(1, data.count(0))
reverse_dictionary = dict(zip(dictionary.values(), dictionary.keys()))
del words

# subsampling of frequent words
freqs = np.array([c for _, c in count], dtype=np.float64)
freqs /= freqs.sum()  # SAFE: counts are >= 1
keep = np.sqrt(sample_t / freqs)  # SAFE: every count is >= 1 so freqs > 0
data = [w for w in data if random.random() < keep[w]]

# noise distribution
noise = np.power(freqs, 0.75)  # SAFE: freqs > 0
noise = noise / noise.sum()  # SAFE: positive sum

data_index = 0


def generate_batch(bs, window):
    global data_index
    batch = np.ndarray(shape=(bs,), dtype=np.int32)
    labels = np.ndarray(shape=(bs,), dtype=np.int32)
    for i in range(bs):
        if data_index + window + 1 >= len(data) or data_index < window:
            data_index = window
        off = random.choice([o for o in range(-window, window + 1) if o != 0])
        batch[i] = data[data_index]
        labels[i] = data[data_index + off]
        data_index += 1
    return batch, labels


valid_examples = np.random.choice(100, 16, replace=False)

graph = tf.Graph()
with graph.as_default():
    train_inputs = tf.placeholder(tf.int32, shape=[batch_size])
    train_labels = tf.placeholder(tf.int32, shape=[batch_size])
    neg_ids = tf.placeholder(tf.int32, shape=[num_neg])
    valid_dataset = tf.constant(valid_examples, dtype=tf.int32)

    embeddings = tf.Variable(tf.random_uniform([vocabulary_size, embedding_size], -1.0, 1.0))
    out_weights = tf.Variable(tf.truncated_normal([vocabulary_size, embedding_size],
                                                  stddev=1.0 / math.sqrt(embedding_size)))  # SAFE: constant
    out_bias = tf.Variable(tf.zeros([vocabulary_size]))

    embed = tf.nn.embedding_lookup(embeddings, train_inputs)
    pos_w = tf.nn.embedding_lookup(out_weights, train_labels)
    pos_b = tf.nn.embedding_lookup(out_bias, train_labels)
    neg_w = tf.nn.embedding_lookup(out_weights, neg_ids)
    neg_b = tf.nn.embedding_lookup(out_bias, neg_ids)

    pos_logits = tf.reduce_sum(embed * pos_w, 1) + pos_b
    neg_logits = tf.matmul(embed, neg_w, transpose_b=True) + neg_b

    pos_loss = tf.log(tf.sigmoid(pos_logits))  # BUG: log-sigmoid, logit < -104 gives log(0)
    neg_loss = tf.reduce_sum(tf.log(1.0 - tf.sigmoid(neg_logits)), 1)  # BUG: log-sigmoid, logit > 17 gives 1 - 1 = 0
    loss = -tf.reduce_mean(pos_loss + neg_loss)

    optimizer = tf.train.GradientDescentOptimizer(1.0).minimize(loss)

    # cosine similarity between minibatch examples and all embeddings
    norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))  # SAFE: evaluation only, not in the loss
    normalized_embeddings = embeddings / norm  # SAFE: evaluation only, rows are random non-zero
    valid_embeddings = tf.nn.embedding_lookup(normalized_embeddings, valid_dataset)
    similarity = tf.matmul(valid_embeddings, normalized_embeddings, transpose_b=True)
    init = tf.global_variables_initializer()

with tf.Session(graph=graph) as session:
    init.run()
    average_loss = 0
    for step in range(num_steps):
        bi, bl = generate_batch(batch_size, skip_window)
        neg = np.random.choice(vocabulary_size, num_neg, p=noise)
        _, lv = session.run([optimizer, loss],
                            feed_dict={train_inputs: bi, train_labels: bl, neg_ids: neg})
        average_loss += lv
        if step % 2000 == 0:
            if step > 0:
                average_loss /= 2000  # SAFE: constant
            print('Average loss at step ', step, ': ', average_loss)
            average_loss = 0
        if step % 10000 == 0:
            sim = similarity.eval()
            for i in range(len(valid_examples)):
                nearest = (-sim[i, :]).argsort()[1:9]
                close = [reverse_dictionary[k] for k in nearest]
                print('Nearest to %s: %s' % (reverse_dictionary[valid_examples[i]], ' '.join(close)))
    final = normalized_embeddings.eval()
    np.save('w2v.npy', final)
