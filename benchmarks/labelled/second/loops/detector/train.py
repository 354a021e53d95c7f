import argparse
import json

import numpy as np
import tensorflow as tf

from boxes import pairwise_iou
from losses import DetectionLoss
from model import SingleStage, make_anchors


def assign(gt_boxes, gt_classes, anchors, n_classes, hi=0.5, lo=0.4):
    """Match one image. Ground truth is padded with zero boxes and class -1."""
    iou = pairwise_iou(anchors, gt_boxes)
    best = tf.reduce_max(iou, axis=1)
    idx = tf.argmax(iou, axis=1)
    state = tf.where(best >= hi, 1, tf.where(best < lo, 0, -1))
    cls = tf.gather(gt_classes, idx)
    one_hot = tf.one_hot(cls, n_classes) * tf.cast(best >= hi, tf.float32)[:, None]
    return one_hot, tf.gather(gt_boxes, idx), state


def parse(record, size):
    img = tf.io.decode_jpeg(tf.io.read_file(record["path"]), channels=3)
    img = tf.image.resize(img, [size, size])
    boxes = record["boxes"] * float(size)
    return img, boxes, record["classes"]


def dataset(index_file, size, batch, max_boxes=50):
    with open(index_file) as f:
        items = json.load(f)
    boxes = np.zeros([len(items), max_boxes, 4], np.float32)
    classes = -np.ones([len(items), max_boxes], np.int32)
    for i, it in enumerate(items):
        n = min(len(it["boxes"]), max_boxes)
        boxes[i, :n] = np.reshape(it["boxes"], [-1, 4])[:n]
        classes[i, :n] = it["classes"][:n]
    ds = tf.data.Dataset.from_tensor_slices(
        {"path": [it["path"] for it in items], "boxes": boxes, "classes": classes})
    return ds.shuffle(1000).map(lambda r: parse(r, size)).batch(batch, drop_remainder=True)


class Trainer:
    def __init__(self, size, n_classes, lr, total_steps):
        self.model = SingleStage(n_classes)
        self.n_classes = n_classes
        self.anchors = tf.constant(make_anchors(size, 16))
        self.loss = DetectionLoss()
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0, max(1, total_steps), warmup_target=lr, warmup_steps=500)
        self.opt = tf.keras.optimizers.SGD(schedule, momentum=0.9, clipnorm=10.0)

    @tf.function
    def train_step(self, images, boxes, classes):
        one_hot, targets, state = tf.map_fn(
            lambda a: assign(a[0], a[1], self.anchors, self.n_classes), (boxes, classes),
            fn_output_signature=(tf.float32, tf.float32, tf.int32))
        with tf.GradientTape() as tape:
            cls, deltas = self.model(images, training=True)
            loss, cl, bl = self.loss(one_hot, targets, state, cls, deltas, self.anchors)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, cl, bl


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--index", default="data/train.json")
    p.add_argument("--size", type=int, default=320)
    p.add_argument("--classes", type=int, default=20)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--steps", type=int, default=30000)
    p.add_argument("--lr", type=float, default=0.01)
    args = p.parse_args()
    trainer = Trainer(args.size, args.classes, args.lr, args.steps)
    ds = dataset(args.index, args.size, args.batch).repeat().take(args.steps)
    for step, (img, boxes, classes) in enumerate(ds):
        loss, cl, bl = trainer.train_step(img, boxes, classes)
        if step % 50 == 0:
            print(f"{step} loss {loss:.3f} cls {cl:.3f} box {bl:.3f}")
    trainer.model.save_weights("detector.weights.h5")


if __name__ == "__main__":
    main()
