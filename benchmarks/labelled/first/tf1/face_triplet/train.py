import argparse
import os

import numpy as np
import scipy.misc
import tensorflow as tf

import losses
import net


def prewhiten(x):
    mean = np.mean(x)
    std = np.std(x)
    std_adj = np.maximum(std, 1.0 / np.sqrt(x.size))  # SAFE: array size
    return (x - mean) / std_adj  # SAFE: maximum the line before


def sample(people, n_people, n_img):
    xs, ys = [], []
    for i, p in enumerate(np.random.choice(len(people), n_people, replace=False)):
        for f in np.random.choice(people[p], n_img):
            im = scipy.misc.imresize(scipy.misc.imread(f, mode='RGB'), (96, 96))
            xs.append(prewhiten(im.astype(np.float32)))
            ys.append(p)
    return np.array(xs), np.array(ys)


def main(a):
    people = []
    for d in sorted(os.listdir(a.data)):
        fs = [os.path.join(a.data, d, f) for f in os.listdir(os.path.join(a.data, d))]
        if len(fs) >= a.n_img:
            people.append(fs)
    x = tf.placeholder(tf.float32, [None, 96, 96, 3])
    y = tf.placeholder(tf.int32, [None])
    training = tf.placeholder_with_default(False, [])
    pre = net.inference(x, 0.8, training)
    emb = net.l2norm(pre)
    frac = tf.constant(0.)
    if a.loss == 'all':
        loss, frac = losses.batch_all(y, emb, a.margin)
    elif a.loss == 'hard':
        loss = losses.batch_hard(y, emb, a.margin)
    elif a.loss == 'arc':
        loss = losses.angular_softmax(emb, y, len(people))
    else:
        half = tf.shape(emb)[0] // 2
        same = tf.to_float(tf.equal(y[:half], y[half:2 * half]))
        loss = losses.contrastive(same, emb[:half], emb[half:2 * half])
    reg = tf.reduce_sum(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
    step = tf.train.get_or_create_global_step()
    lr = tf.train.exponential_decay(a.lr, step, 5000, 0.5)
    train_op = tf.train.AdagradOptimizer(lr).minimize(loss + reg, step)
    mean_norm = tf.reduce_mean(tf.norm(pre, axis=1))  # SAFE: monitoring, not in the loss
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(a.steps):
            bx, by = sample(people, a.n_people, a.n_img)
            _, l, f, n = sess.run([train_op, loss, frac, mean_norm], {x: bx, y: by, training: True})
            if i % 20 == 0:
                print('%d loss %.4f active %.3f norm %.2f' % (i, l, f, n))


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('data')
    p.add_argument('--loss', default='hard')
    p.add_argument('--margin', type=float, default=0.3)
    p.add_argument('--lr', type=float, default=0.05)
    p.add_argument('--n_people', type=int, default=30)
    p.add_argument('--n_img', type=int, default=4)
    p.add_argument('--steps', type=int, default=50000)
    main(p.parse_args())
