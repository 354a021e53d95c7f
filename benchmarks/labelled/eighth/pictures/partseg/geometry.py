"""Point cloud helpers. All tensors [B,N,3] float32."""
import tensorflow as tf


def sq_dist(a, b):
    d = (tf.reduce_sum(a * a, -1)[:, :, None] + tf.reduce_sum(b * b, -1)[:, None]
         - 2.0 * tf.matmul(a, b, transpose_b=True))
    return tf.maximum(d, 0.0)


def knn(x, k):
    d = tf.sqrt(sq_dist(x, x))  # SAFE: only the indices of top_k are used, no gradient flows through them
    return tf.math.top_k(-d, k + 1).indices[:, :, 1:]


def unit_sphere(x):
    x = x - tf.reduce_mean(x, 1, keepdims=True)
    r = tf.sqrt(tf.reduce_max(tf.reduce_sum(x * x, -1), 1))  # SAFE: input pipeline, no gradient and non-negative
    return x / tf.maximum(r, 1e-6)[:, None, None]  # SAFE: radius floored


def normals_from_pca(x, idx):
    nb = tf.gather(x, idx, batch_dims=1)
    c = nb - tf.reduce_mean(nb, 2, keepdims=True)
    cov = tf.einsum("bnki,bnkj->bnij", c, c) / tf.cast(tf.shape(idx)[2], tf.float32)  # SAFE: k neighbours, at least one
    _, vec = tf.linalg.eigh(cov)
    return tf.stop_gradient(vec[..., 0])


def random_rotation(n):
    a = tf.random.uniform([n], -3.14159, 3.14159)
    c, s, o, z = tf.cos(a), tf.sin(a), tf.ones([n]), tf.zeros([n])
    return tf.reshape(tf.stack([c, z, s, z, o, z, -s, z, c], 1), [n, 3, 3])


def repulsion(x, radius=0.07):
    """Keeps the regressed part keypoints apart."""
    diff = x[:, :, None] - x[:, None]
    d = tf.norm(diff, axis=-1)  # BUG: norm-grad, the diagonal is a zero vector and its norm is differentiated
    near = tf.cast(d < radius, tf.float32)
    return tf.reduce_mean(near * tf.square(radius - d))


def chamfer(a, b):
    d = sq_dist(a, b)
    return tf.reduce_mean(tf.reduce_min(d, 2)) + tf.reduce_mean(tf.reduce_min(d, 1))
