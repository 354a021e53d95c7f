import datetime
import os

import tensorflow as tf

import config as cfg
from losses import loss_layer
from pascal_voc import PascalVOC
from yolo_net import YOLONet


class Solver(object):

    def __init__(self, net, data):
        self.net, self.data = net, data
        self.labels = tf.placeholder(
            tf.float32, [None, net.cell, net.cell, 5 + net.num_class], name="labels")
        self.total_loss = loss_layer(net, self.labels)
        self.global_step = tf.train.create_global_step()
        self.learning_rate = tf.train.exponential_decay(
            cfg.LEARNING_RATE, self.global_step, cfg.DECAY_STEPS, cfg.DECAY_RATE, True)
        opt = tf.train.GradientDescentOptimizer(self.learning_rate)
        self.grads_and_vars = opt.compute_gradients(self.total_loss)
        self.train_op = opt.apply_gradients(self.grads_and_vars, global_step=self.global_step)
        self.summary_op = tf.summary.merge_all()
        self.saver = tf.train.Saver()

    def train(self):
        out = os.path.join(cfg.OUTPUT_DIR, datetime.datetime.now().strftime("%Y_%m_%d_%H_%M"))
        os.makedirs(out)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            writer = tf.summary.FileWriter(out, sess.graph)
            for step in range(1, cfg.MAX_ITER + 1):
                images, labels = self.data.get(cfg.BATCH_SIZE)
                feed = {self.net.images: images, self.labels: labels}
                _, loss, summ = sess.run([self.train_op, self.total_loss, self.summary_op], feed)
                if step % 10 == 0:
                    writer.add_summary(summ, step)
                    print("step %d loss %.4f" % (step, loss))
                if step % 1000 == 0:
                    self.saver.save(sess, os.path.join(out, "yolo"), global_step=self.global_step)


def main():
    solver = Solver(YOLONet(), PascalVOC(os.path.join(cfg.PASCAL_PATH, "VOCdevkit", "VOC2007")))
    solver.train()


if __name__ == "__main__":
    main()
