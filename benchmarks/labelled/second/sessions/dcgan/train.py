import os
import time

import numpy as np
import tensorflow as tf

from data import ImageFolder, merge_grid
from model import DCGAN

flags = tf.app.flags
flags.DEFINE_integer("epoch", 25, "Epochs to train")
flags.DEFINE_float("learning_rate", 0.0002, "Learning rate for adam")
flags.DEFINE_float("beta1", 0.5, "Momentum term of adam")
flags.DEFINE_float("fm_weight", 0.1, "Weight of feature matching")
flags.DEFINE_integer("batch_size", 64, "Batch size")
flags.DEFINE_integer("image_size", 64, "Image size")
flags.DEFINE_string("data_dir", "./data/celebA", "Image folder")
flags.DEFINE_string("checkpoint_dir", "checkpoint", "Directory for checkpoints")
flags.DEFINE_string("sample_dir", "samples", "Directory for samples")
FLAGS = flags.FLAGS


def build_losses(gan, fm_weight):
    d_loss_real = -tf.reduce_mean(tf.log(gan.D))  # BUG: log-sigmoid, D is a bare sigmoid that underflows to 0 for very negative logits
    d_loss_fake = -tf.reduce_mean(tf.log(1.0 - gan.D_))  # BUG: log-sigmoid, D_ rounds to 1.0 for logits above 17 and log(0) is -inf
    d_loss = d_loss_real + d_loss_fake
    g_adv = -tf.reduce_mean(tf.log(tf.maximum(gan.D_, 1e-6)))  # MAYBE: finite, but the generator gets no adversarial gradient for D_ below 1e-6
    f_real = tf.reduce_mean(gan.D_feat, 0)
    f_fake = tf.reduce_mean(gan.D_feat_, 0)
    fm = tf.reduce_mean(tf.square(f_real - f_fake))
    return d_loss, g_adv + fm_weight * fm


def build_train_ops(gan, d_loss, g_loss, lr, beta1):
    update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(update_ops):
        d_optim = tf.train.AdamOptimizer(lr, beta1=beta1).minimize(d_loss, var_list=gan.d_vars)
        g_optim = tf.train.AdamOptimizer(lr, beta1=beta1).minimize(g_loss, var_list=gan.g_vars)
    return d_optim, g_optim


def main(_):
    for d in (FLAGS.checkpoint_dir, FLAGS.sample_dir):
        if not os.path.exists(d):
            os.makedirs(d)
    data = ImageFolder(FLAGS.data_dir, FLAGS.image_size)
    gan = DCGAN(FLAGS.batch_size, FLAGS.image_size)
    d_loss, g_loss = build_losses(gan, FLAGS.fm_weight)
    d_optim, g_optim = build_train_ops(gan, d_loss, g_loss, FLAGS.learning_rate, FLAGS.beta1)
    tf.summary.scalar("d_loss", d_loss)
    tf.summary.scalar("g_loss", g_loss)
    merged = tf.summary.merge_all()

    sample_z = np.random.uniform(-1, 1, size=(FLAGS.batch_size, gan.z_dim))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter("./logs", sess.graph)
        counter, start = 1, time.time()
        for epoch in range(FLAGS.epoch):
            for images in data.batches(FLAGS.batch_size, seed=epoch):
                z = np.random.uniform(-1, 1, [FLAGS.batch_size, gan.z_dim]).astype(np.float32)
                feed = {gan.images: images, gan.z: z}
                _, err_d, summary = sess.run([d_optim, d_loss, merged], feed_dict=feed)
                writer.add_summary(summary, counter)
                sess.run(g_optim, feed_dict=feed)
                _, err_g = sess.run([g_optim, g_loss], feed_dict=feed)
                counter += 1
                if counter % 50 == 0:
                    rate = counter / (time.time() - start)
                    print("Epoch: [%2d] step %d %.2f it/s, d_loss: %.8f, g_loss: %.8f"
                          % (epoch, counter, rate, err_d, err_g))
                if counter % 500 == 0:
                    samples = sess.run(gan.sampler, feed_dict={gan.z: sample_z})
                    np.save(os.path.join(FLAGS.sample_dir, "%06d.npy" % counter),
                            merge_grid(samples, 8))
                    gan.saver.save(sess, os.path.join(FLAGS.checkpoint_dir, "dcgan"), counter)


if __name__ == "__main__":
    tf.app.run()
