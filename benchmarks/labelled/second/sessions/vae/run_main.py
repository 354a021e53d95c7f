import argparse
import os

import numpy as np
import tensorflow as tf

import mnist_data
import vae

IMAGE_DIM = 28 * 28


def parse_args(argv=None):
    p = argparse.ArgumentParser(description="Variational AutoEncoder")
    p.add_argument("--results_path", default="results")
    p.add_argument("--add_noise", action="store_true")
    p.add_argument("--noise_factor", type=float, default=0.1)
    p.add_argument("--dim_z", type=int, default=20)
    p.add_argument("--n_hidden", type=int, default=500)
    p.add_argument("--learn_rate", type=float, default=1e-3)
    p.add_argument("--num_epochs", type=int, default=20)
    p.add_argument("--batch_size", type=int, default=128)
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args(argv)


def check_args(args):
    assert args.dim_z >= 1
    assert args.num_epochs >= 1
    assert args.batch_size >= 1
    os.makedirs(args.results_path, exist_ok=True)
    return args


def main(args):
    rng = np.random.RandomState(args.seed)
    train_data, test_data = mnist_data.prepare()
    n_samples = len(train_data)
    x_hat = tf.placeholder(tf.float32, [None, IMAGE_DIM], name="input_img")
    x = tf.placeholder(tf.float32, [None, IMAGE_DIM], name="target_img")
    keep_prob = tf.placeholder(tf.float32, name="keep_prob")
    y, z, loss, neg_ll, kl = vae.autoencoder(x_hat, x, IMAGE_DIM, args.dim_z, args.n_hidden, keep_prob)
    train_op = tf.train.AdamOptimizer(args.learn_rate).minimize(loss)
    total_batch = n_samples // args.batch_size
    best = np.inf
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer(), feed_dict={keep_prob: 0.9})
        for epoch in range(args.num_epochs):
            rng.shuffle(train_data)
            for i in range(total_batch):
                target = train_data[i * args.batch_size:(i + 1) * args.batch_size]
                inp = mnist_data.add_noise(target, args.noise_factor, rng) if args.add_noise else target
                _, tot, ll, div = sess.run((train_op, loss, neg_ll, kl),
                                           feed_dict={x_hat: inp, x: target, keep_prob: 0.9})
            print("epoch %d: L_tot %03.2f L_likelihood %03.2f L_divergence %03.2f" % (epoch, tot, ll, div))
            rec = sess.run(y, feed_dict={x_hat: test_data[:256], keep_prob: 1.0})
            print("  psnr %.2f" % mnist_data.psnr(test_data[:256], rec))
            if tot < best:
                best = tot
                saver.save(sess, os.path.join(args.results_path, "vae"))


if __name__ == "__main__":
    main(check_args(parse_args()))
