"""Siamese / triplet face embeddings (slim-like network, TF 1)."""
import argparse
import glob
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def list_identities(root, min_images=2):
    out = {}
    for d in sorted(os.listdir(root)):
        files = sorted(glob.glob(os.path.join(root, d, "*.png")))
        if len(files) >= min_images:
            out[d] = files
    return out


def parse_image(path, size):
    im = tf.image.decode_png(tf.read_file(path), channels=3)
    im = tf.image.resize_images(tf.cast(im, tf.float32), [size, size])
    return tf.image.per_image_standardization(im)  # SAFE: TensorFlow bounds the stddev below by 1/sqrt(N) for constant images


def input_fn(identities, args):
    names = list(identities)
    files = [f for n in names for f in identities[n]]
    labels = [i for i, n in enumerate(names) for _ in identities[n]]
    ds = tf.data.Dataset.from_tensor_slices((files, labels))
    ds = ds.shuffle(len(files)).repeat()
    ds = ds.map(lambda p, l: (parse_image(p, args.image_size), l), num_parallel_calls=2)
    return ds.batch(args.batch_size).prefetch(1)


def encoder(x, dim, training, reuse=tf.AUTO_REUSE):
    with tf.variable_scope("encoder", reuse=reuse):
        for i, n in enumerate((16, 32, 64)):
            x = tf.layers.conv2d(x, n, 3, 2, "same", use_bias=False, name="conv%d" % i)
            x = tf.layers.batch_normalization(x, training=training, name="bn%d" % i)
            x = tf.nn.relu(x)
        x = tf.reduce_mean(x, [1, 2])
        x = tf.layers.dense(x, dim, name="embedding")
        return tf.nn.l2_normalize(x, 1, epsilon=1e-10)  # SAFE: epsilon bounds the squared norm inside the rsqrt


def squared_distances(emb):
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.diag_part(dot)
    d = tf.expand_dims(sq, 0) - 2.0 * dot + tf.expand_dims(sq, 1)
    return tf.maximum(d, 0.0)


def pairwise_distances(emb):
    d2 = squared_distances(emb)
    zero = tf.cast(tf.equal(d2, 0.0), tf.float32)
    return (1.0 - zero) * tf.sqrt(d2 + zero * 1e-16)  # SAFE: zeros are lifted to 1e-16 before the sqrt and masked afterwards


def batch_hard(labels, emb, margin):
    d = pairwise_distances(emb)
    same = tf.cast(tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1)), tf.float32)
    pos = tf.reduce_max(d * same, 1)
    top = tf.reduce_max(d, 1, keepdims=True)
    neg = tf.reduce_min(d + top * same, 1)
    per = tf.maximum(pos - neg + margin, 0.0)
    active = tf.cast(per > 1e-16, tf.float32)
    frac = tf.reduce_sum(active) / (tf.cast(tf.size(per), tf.float32) + 1e-16)  # SAFE: size of the batch is at least one, and the result is only a summary
    tf.summary.scalar("fraction_active", frac)
    return tf.reduce_mean(per)


def contrastive(labels, emb, margin):
    d2 = squared_distances(emb)
    dist = tf.where(d2 > 0.0, tf.pow(d2, 0.5), tf.zeros_like(d2))  # BUG: where-grad, the diagonal of d2 is 0 and the hidden pow branch sends 0 * inf = NaN back through tf.where
    same = tf.cast(tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1)), tf.float32)
    off = 1.0 - tf.eye(tf.shape(emb)[0])
    pos = same * off * d2
    neg = (1.0 - same) * tf.square(tf.maximum(margin - dist, 0.0))
    pairs = tf.reduce_sum(off)
    return tf.reduce_sum(pos + neg) / tf.maximum(pairs, 1.0)  # SAFE: pair count is floored at one


def soft_margin(labels, emb):
    d = pairwise_distances(emb)
    same = tf.cast(tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1)), tf.float32)
    pos = tf.reduce_max(d * same, 1)
    neg = tf.reduce_min(d + 10.0 * same, 1)
    return tf.reduce_mean(tf.log1p(tf.exp(pos - neg)))  # SAFE: embeddings have unit length so distances are at most 2 (plus 10 for masked ones)


LOSSES = {
    "triplet": lambda l, e, a: batch_hard(l, e, a.margin),
    "contrastive": lambda l, e, a: contrastive(l, e, a.margin),
    "soft": lambda l, e, a: soft_margin(l, e),
}


class Trainer(object):

    def __init__(self, images, labels, args):
        self.emb = encoder(images, args.dim, True)
        self.loss = LOSSES[args.loss](labels, self.emb, args)
        self.step = tf.train.get_or_create_global_step()
        opt = tf.train.AdamOptimizer(args.lr)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            self.gv = opt.compute_gradients(self.loss)
            self.train_op = opt.apply_gradients(self.gv, self.step)
        tf.summary.scalar("loss", self.loss)


def best_threshold(d, same):
    order = np.argsort(d)
    tp = np.cumsum(same[order])
    fp = np.cumsum(1 - same[order])
    precision = tp / (tp + fp)  # SAFE: the k-th cumulative count is k + 1
    recall = tp / max(tp[-1], 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)  # SAFE: floored at 1e-12
    return d[order][f1.argmax()], f1.max()


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="faces")
    p.add_argument("--loss", choices=sorted(LOSSES), default="contrastive")
    p.add_argument("--margin", type=float, default=0.5)
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--image_size", type=int, default=64)
    p.add_argument("--batch_size", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--logdir", default="logs/siamese")
    return p.parse_args(argv)


def main():
    args = get_args()
    ds = input_fn(list_identities(args.root), args)
    images, labels = tf.data.make_one_shot_iterator(ds).get_next()
    t = Trainer(images, labels, args)
    with tf.train.MonitoredTrainingSession(checkpoint_dir=args.logdir) as sess:
        for _ in range(args.steps):
            _, loss, step = sess.run([t.train_op, t.loss, t.step])
            if step % 100 == 0:
                print("step %d loss %.5f" % (step, loss))


if __name__ == "__main__":
    main()
