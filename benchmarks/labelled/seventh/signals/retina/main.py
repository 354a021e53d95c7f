import argparse
import json
import os

import keras
import numpy as np
import tensorflow as tf

import anchors as A
from losses import FocalLoss, box_loss, giou_loss
from model import build


def read_annotations(path, min_size=1.0):
    """COCO style json -> {file: (boxes cx cy w h, labels)}; drops degenerate boxes."""
    with open(path) as fh:
        coco = json.load(fh)
    names = {i["id"]: i["file_name"] for i in coco["images"]}
    out = {n: ([], []) for n in names.values()}
    for ann in coco["annotations"]:
        x, y, w, h = ann["bbox"]
        if w < min_size or h < min_size:
            continue
        b, l = out[names[ann["image_id"]]]
        b.append([x + w / 2, y + h / 2, w, h])
        l.append(ann["category_id"])
    return out


def resize_with_boxes(img, boxes, height, width):
    shape = tf.cast(tf.shape(img)[:2], tf.float32)
    sy, sx = height / shape[0], width / shape[1]  # SAFE: a decoded image has at least one pixel per side
    img = tf.image.resize(img, [height, width])
    return img, boxes * tf.stack([sx, sy, sx, sy])


class Detector(keras.Model):
    def __init__(self, net, anchors, classes, giou_weight=0.5):
        super().__init__()
        self.net = net
        self.anchors = tf.constant(anchors)
        self.focal = FocalLoss(classes)
        self.giou_weight = giou_weight
        self.trackers = {k: keras.metrics.Mean(name=k) for k in ("loss", "cls", "box", "giou")}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def call(self, x, training=False):
        return self.net(x, training=training)

    def train_step(self, data):
        img, y, target = data
        with tf.GradientTape() as tape:
            logits, reg = self(img, training=True)
            cls = self.focal(y, logits)
            box = box_loss(y, target, reg)
            pred = A.to_corners(A.decode(self.anchors, reg))
            true = A.to_corners(A.decode(self.anchors, target))
            giou = giou_loss(y, true, pred)
            loss = cls + box + self.giou_weight * giou
        v = self.net.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        for k, val in zip(("loss", "cls", "box", "giou"), (loss, cls, box, giou)):
            self.trackers[k].update_state(val)
        return {m.name: m.result() for m in self.metrics}


def average_precision(tp, scores, n_gt):
    order = np.argsort(-scores)
    tp = tp[order].astype(float)
    cum = np.cumsum(tp)
    recall = cum / max(n_gt, 1)  # SAFE: max with 1
    precision = cum / np.arange(1, len(tp) + 1)  # SAFE: the range starts at 1
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("images")
    ap.add_argument("annotations")
    ap.add_argument("--height", type=int, default=256)
    ap.add_argument("--width", type=int, default=256)
    ap.add_argument("--classes", type=int, default=10)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=0.005)
    a = ap.parse_args()
    anc = A.all_anchors(a.height, a.width)
    table = read_annotations(a.annotations)

    def gen():
        for name, (b, l) in table.items():
            img = tf.io.decode_image(tf.io.read_file(os.path.join(a.images, name)), 3, expand_animations=False)
            img, boxes = resize_with_boxes(img, tf.reshape(tf.constant(b, tf.float32), [-1, 4]), a.height, a.width)
            yield (img, *A.match(tf.constant(anc), boxes, tf.constant(l, tf.int32)))

    sig = (tf.TensorSpec([a.height, a.width, 3]), tf.TensorSpec([len(anc)], tf.int32), tf.TensorSpec([len(anc), 4]))
    ds = tf.data.Dataset.from_generator(gen, output_signature=sig).shuffle(64).batch(8).prefetch(1)
    det = Detector(build(a.height, a.width, a.classes), anc, a.classes)
    lr = keras.optimizers.schedules.PiecewiseConstantDecay([500, 10000], [a.lr / 10, a.lr, a.lr / 10])
    det.compile(keras.optimizers.SGD(lr, momentum=0.9, clipnorm=10.0))
    det.fit(ds, epochs=a.epochs, callbacks=[keras.callbacks.TerminateOnNaN()])
    det.net.save("retina.keras")


if __name__ == "__main__":
    main()
