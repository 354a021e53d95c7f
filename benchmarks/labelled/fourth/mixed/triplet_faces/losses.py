import tensorflow as tf

from mining import masked_distances, masked_mean, negative_mask, pairwise_distances, positive_mask


def batch_hard(labels, emb, margin=0.3, soft=False):
    d = pairwise_distances(emb)
    pos = tf.reduce_max(d * positive_mask(labels), axis=1)
    far = tf.reduce_max(d)
    neg = tf.reduce_min(d + far * (1.0 - negative_mask(labels)), axis=1)
    z = pos - neg
    if soft:
        return tf.reduce_mean(tf.nn.softplus(z))  # SAFE: softplus is the stable log(1 + exp)
    return tf.reduce_mean(tf.nn.relu(z + margin))


def weighted(labels, emb):
    """Adaptive weights instead of the hardest pair (Ristani and Tomasi)."""
    d = pairwise_distances(emb)
    same = tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32)
    wp = tf.stop_gradient(tf.nn.softmax(d - 1e9 * (1.0 - same)))  # SAFE: finite mask in float32, the row itself always stays
    wn = tf.stop_gradient(tf.nn.softmax(-d - 1e9 * same))  # SAFE: softmax is shifted inside, a row without negatives is uniform
    z = tf.reduce_sum(wp * d, 1) - tf.reduce_sum(wn * d, 1)
    return tf.reduce_mean(tf.nn.softplus(z))


def semi_hard(labels, emb, margin=0.3):
    d = masked_distances(emb)
    t = d[:, :, None] - d[:, None, :] + margin
    m = positive_mask(labels)[:, :, None] * negative_mask(labels)[:, None, :]
    m *= tf.cast((t > 0) & (t < margin), tf.float32)
    return masked_mean(t, m)


def npairs(labels, emb, temperature=0.1):
    s = tf.matmul(emb, emb, transpose_b=True) / temperature
    s -= 1e9 * tf.eye(tf.shape(s)[0])
    logp = s - tf.reduce_logsumexp(s, axis=1, keepdims=True)  # SAFE: logsumexp is shifted inside, batches have more than one row
    pm = positive_mask(labels)
    per = tf.reduce_sum(pm * tf.where(pm > 0, logp, tf.zeros_like(logp)), 1)
    return -tf.reduce_mean(per / tf.maximum(tf.reduce_sum(pm, 1), 1.0))  # SAFE: rows without a positive divide by 1


LOSSES = {"weighted": weighted, "hard": batch_hard, "semi": semi_hard, "npairs": npairs}
