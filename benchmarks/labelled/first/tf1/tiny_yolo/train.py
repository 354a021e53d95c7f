import sys

import tensorflow as tf

import config as cfg
from pascal import Pascal
from yolo_net import YoloNet


def main():
    data = Pascal(sys.argv[1])
    net = YoloNet()
    step = tf.Variable(0, trainable=False)
    lr = tf.train.exponential_decay(cfg.LR, step, 30000, 0.1, True)
    train_op = tf.train.AdamOptimizer(lr).minimize(net.total, step)
    merged = tf.summary.merge_all()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        w = tf.summary.FileWriter('logs', sess.graph)
        for i in range(cfg.STEPS):
            x, y = data.get(cfg.BATCH)
            _, l, m, s = sess.run([train_op, net.total, net.mean_iou, merged], {net.images: x, net.truth: y})
            if i % 50 == 0:
                print('%6d loss %.3f iou %.3f' % (i, l, m))
                w.add_summary(s, i)


if __name__ == '__main__':
    main()
