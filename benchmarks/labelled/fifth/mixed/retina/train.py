import argparse
import json
import os

import numpy as np
import tensorflow as tf

import anchors as A
import params as P
from losses import RetinaLoss, giou_score
from model import RetinaNet

MAX_BOXES = 20


def records(path):
    with open(path) as f:
        for r in json.load(f)["images"]:
            boxes = np.zeros((MAX_BOXES, 4), np.float32)
            labels = np.full((MAX_BOXES,), -1, np.int32)
            sx, sy = P.IMAGE_SIZE / max(r["width"], 1), P.IMAGE_SIZE / max(r["height"], 1)  # SAFE: maximum with 1
            for i, o in enumerate(r["objects"][:MAX_BOXES]):
                x, y, w, h = o["bbox"]
                boxes[i] = ((x + w / 2) * sx, (y + h / 2) * sy, w * sx, h * sy)
                labels[i] = o["class"]
            yield r["file"], boxes, labels


def dataset(root, name, anchors, batch):
    files, boxes, labels = zip(*records(os.path.join(root, name)))
    ds = tf.data.Dataset.from_tensor_slices(
        ([os.path.join(root, f) for f in files], np.stack(boxes), np.stack(labels)))

    def load(f, b, l):
        img = tf.image.decode_jpeg(tf.io.read_file(f), channels=3)
        img = tf.image.resize(img, [P.IMAGE_SIZE, P.IMAGE_SIZE])
        lab, delta = A.match(b, l, anchors)
        return img, lab, delta
    return ds.shuffle(1000).map(load, tf.data.AUTOTUNE).batch(batch).prefetch(2)


def make_step(model, criterion, opt, anchors):
    @tf.function
    def step(img, lab, delta):
        with tf.GradientTape() as tape:
            cls, box = model(img, training=True)
            loss, parts = criterion(lab, delta, cls, box)
        g = tape.gradient(loss, model.trainable_variables)
        g, norm = tf.clip_by_global_norm(g, 1.0)  # SAFE: the gradients are finite, clipping a zero norm leaves zeros
        opt.apply_gradients(zip(g, model.trainable_variables))
        pos = tf.cast(lab >= 0, tf.float32)
        giou = tf.reduce_sum(pos * giou_score(A.decode(delta, anchors), A.decode(box, anchors)))
        parts["giou"] = giou / (tf.reduce_sum(pos) + 1e-6)  # SAFE: a count plus 1e-6
        return loss, parts, norm
    return step


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/signs")
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--batch", type=int, default=8)
    args = ap.parse_args()
    anchors = A.anchor_grid()
    ds = dataset(args.root, "train.json", anchors, args.batch)
    model = RetinaNet()
    step = make_step(model, RetinaLoss(P.NUM_CLASSES), tf.keras.optimizers.Adam(P.LR), anchors)
    for epoch in range(args.epochs):
        for i, batch in enumerate(ds):
            loss, parts, norm = step(*batch)
            if i % 50 == 0:
                print(epoch, i, float(loss), {k: round(float(v), 4) for k, v in parts.items()}, float(norm))
        model.save_weights("retina.weights.h5")


if __name__ == "__main__":
    main()
