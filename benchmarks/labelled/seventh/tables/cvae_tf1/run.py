import os

import numpy as np
import tensorflow as tf

import data
from config import parse_args
from vae import ConditionalVAE


def add_noise(x, rng, rate=0.1):
    return x * (rng.uniform(size=x.shape) > rate).astype(np.float32)


def evaluate(sess, model, x, y, size):
    total, n = 0.0, 0
    for i in range(0, len(x), size):
        bx, by = x[i:i + size], y[i:i + size]
        elbo = sess.run(model.elbo, {model.x_in: bx, model.x: bx, model.y: by})
        total += elbo * len(bx)
        n += len(bx)
    return total / max(n, 1)  # SAFE: max with one


def contrast_stretch(img):
    lo, hi = img.min(), img.max()
    return (img - lo) / (hi - lo + 1e-6)  # SAFE: epsilon for constant images, for pictures only


def main():
    args = parse_args()
    os.makedirs(args.logdir, exist_ok=True)
    rng = np.random.RandomState(0)
    (x, y), (xt, yt) = data.load(args.data)
    model = ConditionalVAE(args)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            for bx, by in data.batches(x, y, args.batch, rng):
                _, loss, ml, kl, gn = sess.run(
                    [model.train_op, model.loss, model.marginal_likelihood, model.kl, model.grad_norm],
                    {model.x_in: add_noise(bx, rng), model.x: bx, model.y: by,
                     model.keep_prob: args.keep_prob})
            print("epoch %d: loss %.2f likelihood %.2f KL %.2f |g| %.2f" % (epoch, loss, ml, kl, gn))
            print("  test elbo %.2f" % evaluate(sess, model, xt, yt, args.batch))
            z = rng.randn(10, args.dim_z).astype(np.float32)
            imgs = sess.run(model.generated, {model.z_in: z, model.y: np.eye(10, dtype=np.float32)})
            np.save(os.path.join(args.logdir, "samples_%03d.npy" % epoch), contrast_stretch(imgs))
            saver.save(sess, os.path.join(args.logdir, "cvae"), global_step=epoch)


if __name__ == "__main__":
    main()
