import argparse
import glob
import os

import keras
import numpy as np
import tensorflow as tf

from conf import CFG
from network import build_lane_net


def read_pair(image_path, label_path):
    img = tf.image.decode_jpeg(tf.io.read_file(image_path), channels=3)
    img = tf.image.resize(img, [CFG.height, CFG.width]) / 255.0  # SAFE: constant divisor, pixels to [0, 1]
    lab = tf.image.decode_png(tf.io.read_file(label_path), channels=1)
    lab = tf.image.resize(lab, [CFG.height, CFG.width], method="nearest")[..., 0]
    road = tf.cast(lab > 0, tf.float32)[::4, ::4]
    return (img, road), tf.reshape(tf.cast(lab, tf.int32), [-1])


def dataset(folder):
    images = sorted(glob.glob(os.path.join(folder, "image", "*.jpg")))
    labels = [p.replace("image", "label").replace(".jpg", ".png") for p in images]
    ds = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images) or 1).repeat()
    return ds.map(read_pair, num_parallel_calls=2).batch(CFG.batch).prefetch(1)


def pixel_loss(prob, labels):
    onehot = tf.one_hot(labels, CFG.classes)
    ce = tf.nn.softmax_cross_entropy_with_logits(labels=onehot, logits=prob)  # BUG: loss-pairing, the network already ends in a softmax, so the loss cannot fall below about 0.9 and slopes vanish
    return tf.reduce_mean(ce)


def dice_term(prob, labels):
    onehot = tf.one_hot(labels, CFG.classes)
    inter = tf.reduce_sum(prob * onehot, axis=1)
    total = tf.reduce_sum(prob, axis=1) + tf.reduce_sum(onehot, axis=1)
    return 1.0 - tf.reduce_mean((2.0 * inter + CFG.eps) / (total + CFG.eps))  # SAFE: prob is the float32 output, its sum over pixels is positive and eps is only added


def entropy_map(prob):
    p = tf.maximum(prob, 1e-7)
    return -tf.reduce_sum(p * tf.math.log(p), -1) / np.log(CFG.classes)  # SAFE: float32, p floored at 1e-7, classes is 5


class LaneTrainer:
    def __init__(self):
        self.net = build_lane_net()
        base = keras.optimizers.AdamW(CFG.lr, weight_decay=CFG.weight_decay)
        self.opt = keras.optimizers.LossScaleOptimizer(base)

    def loss(self, prob, y):
        return pixel_loss(prob, y) + CFG.dice_weight * dice_term(prob, y)

    @tf.function
    def step(self, x, y):
        with tf.GradientTape() as tape:
            prob = self.net(x, training=True)
            loss = self.loss(prob, y)
            scaled = self.opt.scale_loss(loss)  # SAFE: dynamic scale, LossScaleOptimizer unscales and skips non-finite steps
        v = self.net.trainable_variables
        self.opt.apply(tape.gradient(scaled, v), v)
        return loss


def class_iou(conf):
    inter = np.diag(conf)
    union = conf.sum(0) + conf.sum(1) - inter
    return inter / np.maximum(union, 1)  # SAFE: absent classes are divided by 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--out", default="lanes.keras")
    a = ap.parse_args()
    tr = LaneTrainer()
    for i, (x, y) in enumerate(dataset(a.folder).take(CFG.steps)):
        loss = tr.step(x, y)
        if i % CFG.log_every == 0:
            prob = tr.net(x)
            conf = tf.math.confusion_matrix(tf.reshape(y, [-1]), tf.reshape(tf.argmax(prob, -1), [-1]), CFG.classes)
            print(i, float(loss), "iou", class_iou(conf.numpy()), "H", float(tf.reduce_mean(entropy_map(prob))))
    tr.net.save(a.out)


if __name__ == "__main__":
    main()
