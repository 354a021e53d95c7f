"""WGAN-GP for variable length multivariate event sequences (ICU vitals)."""
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def load_sequences(path, max_len):
    raw = np.load(path, allow_pickle=True)
    lengths = np.array([min(len(r), max_len) for r in raw], np.int32)
    dim = raw[0].shape[1]
    x = np.zeros((len(raw), max_len, dim), np.float32)
    for i, r in enumerate(raw):
        x[i, :lengths[i]] = r[:max_len]
    keep = lengths > 1
    return x[keep], lengths[keep]


def standardize(x, lengths):
    valid = np.concatenate([x[i, :n] for i, n in enumerate(lengths)], 0)
    mean, std = valid.mean(0), valid.std(0)
    std[std < 1e-6] = 1.0
    out = (x - mean) / std  # SAFE: constant columns have their std replaced by 1
    for i, n in enumerate(lengths):
        out[i, n:] = 0.0
    return out.astype(np.float32), mean, std


class SequenceWGAN(object):

    def __init__(self, args, dim):
        self.T, self.dim = args.max_len, dim
        self.z_dim, self.hidden = args.z_dim, args.hidden
        self.lam = args.gp_lambda
        self.real = tf.placeholder(tf.float32, [None, self.T, dim], name="real")
        self.lengths = tf.placeholder(tf.int32, [None], name="lengths")
        self.z = tf.placeholder(tf.float32, [None, self.T, self.z_dim], name="z")
        self.mask = tf.expand_dims(tf.sequence_mask(self.lengths, self.T, dtype=tf.float32), 2)
        self.fake = self.generator(self.z)
        self.build_loss()
        self.build_optim(args)

    def generator(self, z, reuse=False):
        with tf.variable_scope("gen", reuse=reuse):
            h = tf.layers.conv1d(z, self.hidden, 5, padding="same", activation=tf.nn.relu, name="c1")
            h = self.layer_norm(h, "ln1")
            h = tf.layers.conv1d(h, self.hidden, 5, padding="same", activation=tf.nn.relu, name="c2")
            out = tf.layers.conv1d(h, self.dim, 1, name="out")
            return out * self.mask

    def layer_norm(self, h, name):
        with tf.variable_scope(name):
            c = h.get_shape().as_list()[-1]
            g = tf.get_variable("g", [c], initializer=tf.ones_initializer())
            b = tf.get_variable("b", [c], initializer=tf.zeros_initializer())
            mu, var = tf.nn.moments(h, [-1], keep_dims=True)
            return g * (h - mu) / tf.sqrt(var + 1e-6) + b  # SAFE: variance is non-negative and 1e-6 is inside the sqrt

    def critic(self, x, reuse=False):
        with tf.variable_scope("critic", reuse=reuse):
            x = x * self.mask
            h = tf.layers.conv1d(x, self.hidden, 5, padding="same", activation=tf.nn.leaky_relu, name="c1")
            h = tf.layers.conv1d(h, self.hidden, 5, padding="same", activation=tf.nn.leaky_relu, name="c2")
            h = h * self.mask
            pooled = tf.reduce_sum(h, 1) / tf.reduce_sum(self.mask, 1)  # SAFE: load_sequences keeps only sequences longer than one step
            return tf.layers.dense(pooled, 1, name="score")

    def gradient_penalty(self, eps):
        inter = eps * self.real + (1.0 - eps) * self.fake
        grads = tf.gradients(self.critic(inter, reuse=True), [inter])[0]
        slopes = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=2))  # BUG: norm-grad, gradient of the critic is exactly zero on padded steps and sqrt has an infinite derivative at 0
        per_seq = tf.reduce_sum(tf.square(slopes - 1.0), 1)
        steps = tf.maximum(tf.cast(self.lengths, tf.float32), 1.0)
        return tf.reduce_mean(per_seq / steps)  # SAFE: the number of steps is floored at one

    def build_loss(self):
        d_real = self.critic(self.real)
        d_fake = self.critic(self.fake, reuse=True)
        eps = tf.random_uniform([tf.shape(self.real)[0], 1, 1], 0.0, 1.0)
        self.gp = self.gradient_penalty(eps)
        self.w_dist = tf.reduce_mean(d_real) - tf.reduce_mean(d_fake)
        self.d_loss = -self.w_dist + self.lam * self.gp
        self.g_loss = -tf.reduce_mean(d_fake)
        std = tf.sqrt(tf.nn.moments(self.fake, [0, 1])[1])  # SAFE: only written to the summary, not part of a loss
        tf.summary.histogram("fake_std", std)
        tf.summary.scalar("w_dist", self.w_dist)

    def build_optim(self, args):
        d_vars = tf.trainable_variables("critic")
        g_vars = tf.trainable_variables("gen")
        d_opt = tf.train.AdamOptimizer(args.lr, beta1=0.0, beta2=0.9)
        g_opt = tf.train.AdamOptimizer(args.lr, beta1=0.0, beta2=0.9)
        self.d_grads = tf.gradients(self.d_loss, d_vars)
        self.d_train = d_opt.apply_gradients(zip(self.d_grads, d_vars))
        self.g_train = g_opt.minimize(self.g_loss, var_list=g_vars)
        self.summary = tf.summary.merge_all()


def sample_batch(x, lengths, n, rng):
    idx = rng.randint(0, len(x), n)
    return x[idx], lengths[idx]


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="vitals.npy")
    p.add_argument("--max_len", type=int, default=48)
    p.add_argument("--z_dim", type=int, default=16)
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--gp_lambda", type=float, default=10.0)
    p.add_argument("--n_critic", type=int, default=5)
    p.add_argument("--batch_size", type=int, default=64)
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--iters", type=int, default=20000)
    p.add_argument("--out", default="runs/wgan")
    return p.parse_args(argv)


def main():
    args = get_args()
    x, lengths = load_sequences(args.data, args.max_len)
    x, mean, std = standardize(x, lengths)
    model = SequenceWGAN(args, x.shape[2])
    rng = np.random.RandomState(1)
    os.makedirs(args.out, exist_ok=True)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(args.out)
        for it in range(args.iters):
            for _ in range(args.n_critic):
                xb, lb = sample_batch(x, lengths, args.batch_size, rng)
                z = rng.normal(size=(args.batch_size, args.max_len, args.z_dim))
                feed = {model.real: xb, model.lengths: lb, model.z: z}
                sess.run(model.d_train, feed)
            sess.run(model.g_train, feed)
            if it % 100 == 0:
                w, gp, s = sess.run([model.w_dist, model.gp, model.summary], feed)
                writer.add_summary(s, it)
                print("%d W=%.4f gp=%.4f" % (it, w, gp))
            if it % 2000 == 0:
                saver.save(sess, os.path.join(args.out, "model.ckpt"), it)


if __name__ == "__main__":
    main()
