"""Dynamic routing between capsules (Sabour et al. 2017), TF 1."""
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

epsilon = 1e-9


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="mnist.npz")
    p.add_argument("--m_plus", type=float, default=0.9)
    p.add_argument("--m_minus", type=float, default=0.1)
    p.add_argument("--lambda_val", type=float, default=0.5)
    p.add_argument("--regularization_scale", type=float, default=0.392)
    p.add_argument("--iter_routing", type=int, default=3)
    p.add_argument("--filters", type=int, default=64)
    p.add_argument("--prim", type=int, default=8)
    p.add_argument("--batch_size", type=int, default=64)
    p.add_argument("--epoch", type=int, default=20)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--out", default="caps_out")
    return p.parse_args(argv)


def load_mnist(path):
    with np.load(path) as d:
        x = d["x_train"].astype(np.float32)[..., None] / 255.0
        return x, d["y_train"].astype(np.int32), d["x_test"].astype(np.float32)[..., None] / 255.0, \
            d["y_test"].astype(np.int32)


def augment(images, rng, max_shift=2):
    out = np.zeros_like(images)
    for i, im in enumerate(images):
        dy, dx = rng.randint(-max_shift, max_shift + 1, 2)
        out[i] = np.roll(np.roll(im, dy, 0), dx, 1)
    return out


def squash(s, axis):
    sq = tf.reduce_sum(tf.square(s), axis, keepdims=True)
    factor = sq / (1.0 + sq) / tf.sqrt(sq + epsilon)  # SAFE: epsilon is inside the sqrt and 1 + sq is at least one
    return factor * s


class CapsNet(object):

    def __init__(self, args, size=28, num_label=10):
        self.args, self.num_label = args, num_label
        self.x = tf.placeholder(tf.float32, [None, size, size, 1], "x")
        self.labels = tf.placeholder(tf.int32, [None], "labels")
        self.y = tf.one_hot(self.labels, num_label)
        self.training = tf.placeholder_with_default(False, [], "training")
        self.size = size
        self.caps = self.build_arch()
        self.build_loss()
        self.build_train()

    def build_arch(self):
        a = self.args
        with tf.variable_scope("Conv1"):
            conv1 = tf.layers.conv2d(self.x, a.filters, 9, 1, "valid", activation=tf.nn.relu)
        with tf.variable_scope("PrimaryCaps"):
            prim = tf.layers.conv2d(conv1, a.prim * 8, 9, 2, "valid", activation=tf.nn.relu)
            h = prim.get_shape().as_list()[1]
            prim = squash(tf.reshape(prim, [-1, h * h * a.prim, 8]), -1)
        with tf.variable_scope("DigitCaps"):
            return self.routing(prim, self.num_label, 16)

    def routing(self, u, num_out, dim):
        n = u.get_shape().as_list()[1]
        w = tf.get_variable("Weight", [n, num_out, 8, dim],
                            initializer=tf.random_normal_initializer(stddev=0.01))
        u_hat = tf.einsum("bni,njid->bnjd", u, w)
        frozen = tf.stop_gradient(u_hat)
        b = tf.zeros([tf.shape(u)[0], n, num_out])
        for r in range(self.args.iter_routing):
            top = tf.reduce_max(b, 2, keepdims=True)
            e = tf.exp(b - top)  # SAFE: the maximum over the output capsules has been subtracted
            c = e / tf.reduce_sum(e, 2, keepdims=True)  # SAFE: the sum contains exp(0)
            last = r == self.args.iter_routing - 1
            v = squash(tf.reduce_sum(tf.expand_dims(c, 3) * (u_hat if last else frozen), 1), -1)
            if not last:
                b += tf.einsum("bnjd,bjd->bnj", frozen, v)
        return v

    def build_loss(self):
        a = self.args
        length = tf.sqrt(tf.reduce_sum(tf.square(self.caps), 2) + epsilon)  # SAFE: a blank image gives all-zero capsules, epsilon inside the sqrt keeps the slope finite
        l_pos = tf.square(tf.maximum(0.0, a.m_plus - length))
        l_neg = tf.square(tf.maximum(0.0, length - a.m_minus))
        margin = tf.reduce_sum(self.y * l_pos + a.lambda_val * (1.0 - self.y) * l_neg, 1)
        self.margin_loss = tf.reduce_mean(margin)

        masked = tf.reduce_sum(self.caps * tf.expand_dims(self.y, 2), 1)
        h = tf.layers.dense(masked, 128, tf.nn.relu)
        h = tf.layers.dense(h, 256, tf.nn.relu)
        self.recon = tf.layers.dense(h, self.size * self.size, tf.sigmoid)
        target = tf.reshape(self.x, [-1, self.size * self.size])
        self.reconstruction_err = tf.reduce_mean(tf.square(self.recon - target))
        self.total_loss = self.margin_loss + a.regularization_scale * self.reconstruction_err

        self.softmax_v = tf.nn.softmax(length)
        surprise = -tf.reduce_mean(tf.log(tf.reduce_sum(self.softmax_v * self.y, 1)))  # SAFE: lengths lie in [0, 1) so no softmax value is below about 0.03
        psnr = -10.0 * tf.log(self.reconstruction_err + 1e-8) / np.log(10.0)  # SAFE: 1e-8 inside the log, summary only
        tf.summary.scalar("surprise", surprise)
        tf.summary.scalar("psnr", psnr)
        tf.summary.scalar("margin_loss", self.margin_loss)
        pred = tf.argmax(self.softmax_v, 1, output_type=tf.int32)
        self.accuracy = tf.reduce_mean(tf.cast(tf.equal(pred, self.labels), tf.float32))

    def build_train(self):
        self.step = tf.train.get_or_create_global_step()
        opt = tf.train.AdamOptimizer(self.args.lr, epsilon=1e-7)
        self.gv = opt.compute_gradients(self.total_loss)
        self.train_op = opt.apply_gradients(self.gv, self.step)
        self.summary = tf.summary.merge_all()


def evaluate(sess, model, x, y, batch):
    accs = [sess.run(model.accuracy, {model.x: x[i:i + batch], model.labels: y[i:i + batch]})
            for i in range(0, len(x) - batch + 1, batch)]
    return float(np.mean(accs)) if accs else 0.0  # SAFE: an empty list is handled by the condition


def main():
    args = get_args()
    x, y, xt, yt = load_mnist(args.data)
    model, rng = CapsNet(args), np.random.RandomState(0)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(args.out, sess.graph)
        for epoch in range(args.epoch):
            order = rng.permutation(len(x))
            for i in range(0, len(x) - args.batch_size + 1, args.batch_size):
                b = order[i:i + args.batch_size]
                feed = {model.x: augment(x[b], rng), model.labels: y[b]}
                _, loss, summ, step = sess.run(
                    [model.train_op, model.total_loss, model.summary, model.step], feed)
                if step % 100 == 0:
                    writer.add_summary(summ, step)
                    print("step %d loss %.5f" % (step, loss))
            print("epoch %d test acc %.4f" % (epoch, evaluate(sess, model, xt, yt, args.batch_size)))
            saver.save(sess, os.path.join(args.out, "caps"), step)


if __name__ == "__main__":
    main()
