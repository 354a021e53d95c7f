"""single anchor dense detector; annotations: json list of {file, boxes (xywh, pixels), labels}"""
import argparse
import json

import numpy as np
import tensorflow as tf

from boxes import ANCHORS, STRIDES, decode, encode, giou, iou, xywh_to_xyxy
from losses import quality_focal, sigmoid_focal, smooth_l1
from model import build


def load(path, size, max_boxes):
    items = json.load(open(path))
    files, boxes, labels, valid = [], [], [], []
    for it in items:
        b = np.zeros((max_boxes, 4), np.float32)
        l = np.zeros(max_boxes, np.int32)
        v = np.zeros(max_boxes, np.float32)
        k = min(len(it["boxes"]), max_boxes)
        if k:
            b[:k] = np.asarray(it["boxes"], np.float32)[:k]
            l[:k] = it["labels"][:k]
            v[:k] = 1.0
        files.append(it["file"])
        boxes.append(b)
        labels.append(l)
        valid.append(v)

    def read(f, b, l, v):
        img = tf.io.decode_jpeg(tf.io.read_file(f), channels=3)
        img = tf.image.resize_with_pad(img, size, size)
        return img / 127.5 - 1.0, b, l, v  # SAFE: constant divisor, pixels end in [-1, 1]

    ds = tf.data.Dataset.from_tensor_slices((files, np.array(boxes), np.array(labels), np.array(valid)))
    return ds.shuffle(len(files)).map(read, tf.data.AUTOTUNE)


def grid_centers(h, w, stride):
    y, x = tf.meshgrid(tf.range(h), tf.range(w), indexing="ij")
    c = (tf.cast(tf.stack([x, y], -1), tf.float32) + 0.5) * stride
    return tf.reshape(c, (-1, 2))


class Criterion:
    def __init__(self, n_classes, box_w=1.0, giou_w=2.0, q_w=1.0):
        self.nc, self.box_w, self.giou_w, self.q_w = n_classes, box_w, giou_w, q_w

    def level(self, out, boxes, labels, valid, k):
        stride, anchor = float(STRIDES[k]), tf.constant(ANCHORS[k])
        s = tf.shape(out)
        c = grid_centers(s[1], s[2], stride)
        out = tf.reshape(out, (s[0], -1, self.nc + 5))
        logits, raw, qual = out[..., :self.nc], out[..., self.nc:self.nc + 4], out[..., -1]
        d = tf.abs(c[None, :, None, :] - boxes[:, None, :, :2])
        near = tf.cast(tf.reduce_all(d <= 0.5 * stride, -1), tf.float32) * valid[:, None, :]
        t = encode(boxes[:, None], anchor, c[None, :, None, :], stride)
        box_l = tf.reduce_sum(smooth_l1(raw[:, :, None] - t), -1) * near
        pred = xywh_to_xyxy(decode(raw, anchor, c, stride))[:, :, None]
        gt = xywh_to_xyxy(boxes)[:, None]
        g_l = (1.0 - giou(pred, gt)) * near
        q_t = tf.stop_gradient(tf.reduce_max(iou(pred, gt) * near, -1))
        q_l = quality_focal(q_t, qual)
        onehot = tf.one_hot(labels, self.nc)[:, None] * near[..., None]
        cls_l = sigmoid_focal(tf.reduce_max(onehot, 2), logits)
        return (tf.reduce_sum(cls_l), tf.reduce_sum(box_l), tf.reduce_sum(g_l), tf.reduce_sum(q_l), tf.reduce_sum(near))

    def __call__(self, outs, boxes, labels, valid):
        parts = [self.level(o, boxes, labels, valid, k) for k, o in enumerate(outs)]
        cls_l, box_l, g_l, q_l, n = [tf.add_n(list(p)) for p in zip(*parts)]
        n = tf.maximum(n, 1.0)
        return (cls_l + self.box_w * box_l + self.giou_w * g_l + self.q_w * q_l) / n  # SAFE: n is at least 1, images without objects are fine


def make_step(model, crit, opt):
    @tf.function(reduce_retracing=True)
    def step(img, b, l, v):
        with tf.GradientTape() as tape:
            loss = crit(model(img, training=True), b, l, v)
        g = tape.gradient(loss, model.trainable_variables)
        g, gn = tf.clip_by_global_norm(g, 10.0)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss, gn
    return step


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("annotations")
    ap.add_argument("--size", type=int, default=320)
    ap.add_argument("--classes", type=int, default=20)
    ap.add_argument("--max-boxes", type=int, default=32)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--epochs", type=int, default=60)
    a = ap.parse_args()
    ds = load(a.annotations, a.size, a.max_boxes).batch(a.batch, drop_remainder=True).prefetch(2)
    model = build(a.classes)
    opt = tf.keras.optimizers.SGD(tf.keras.optimizers.schedules.CosineDecay(0.01, 40000), momentum=0.9, nesterov=True)
    step = make_step(model, Criterion(a.classes), opt)
    for ep in range(a.epochs):
        for i, batch in enumerate(ds):
            loss, gn = step(*batch)
            if i % 50 == 0:
                print(ep, i, float(loss), float(gn))
        model.save_weights("det.weights.h5")


if __name__ == "__main__":
    main()
