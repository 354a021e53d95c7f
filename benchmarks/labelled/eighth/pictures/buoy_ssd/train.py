import argparse
import csv
import collections
import os

import tensorflow as tf

from anchors import make_anchors, encode, decode
from detector import build, detection_loss

CLASSES = ["red", "green", "cardinal", "mooring"]
SIZE, MAX_BOX = 320, 24


def read_index(path):
    """CSV: file,class,x0,y0,x1,y1 (pixels). Empty frames have a row with blank class."""
    boxes = collections.OrderedDict()
    with open(path, newline="") as fh:
        for row in csv.DictReader(fh):
            lst = boxes.setdefault(row["file"], [])
            if not row["class"]:
                continue
            x0, y0, x1, y1 = (float(row[k]) for k in ("x0", "y0", "x1", "y1"))
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            w, h = float(row["width"]), float(row["height"])
            lst.append(((y0 + y1) / 2 / h, (x0 + x1) / 2 / w, (y1 - y0) / h, (x1 - x0) / w,  # SAFE: image sizes come from decoded headers, never 0
                        CLASSES.index(row["class"]) + 1))
    return boxes


def dataset(root, index, anchors, batch, training):
    boxes = read_index(index)

    def gen():
        for name, lst in boxes.items():
            lst = lst[:MAX_BOX]
            pad = [(0.0, 0.0, 0.0, 0.0, 0)] * (MAX_BOX - len(lst))
            arr = lst + pad
            yield os.path.join(root, name), [b[:4] for b in arr], [b[4] for b in arr]

    def prep(path, bx, lb):
        img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        img = tf.image.resize(img, (SIZE, SIZE))
        if training:
            img = tf.clip_by_value(img * tf.random.uniform([], 0.7, 1.3), 0, 255)
        c, l, w = encode(anchors, bx, lb)
        return img, c, l, w

    sig = (tf.TensorSpec([], tf.string), tf.TensorSpec([MAX_BOX, 4], tf.float32), tf.TensorSpec([MAX_BOX], tf.int32))
    ds = tf.data.Dataset.from_generator(gen, output_signature=sig)
    if training:
        ds = ds.shuffle(512)
    return ds.map(prep, tf.data.AUTOTUNE).batch(batch).prefetch(2)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=5e-3)
    args = ap.parse_args()
    anchors = tf.constant(make_anchors(SIZE))
    train = dataset(args.root, os.path.join(args.root, "train.csv"), anchors, args.batch, True)
    val = dataset(args.root, os.path.join(args.root, "val.csv"), anchors, args.batch, False)
    net = build(SIZE, len(CLASSES), per_cell=6)
    opt = tf.keras.optimizers.SGD(args.lr, momentum=0.9, nesterov=True, clipnorm=5.0)
    ck = tf.train.CheckpointManager(tf.train.Checkpoint(net=net, opt=opt), "ckpt_buoy", 3)

    @tf.function
    def step(img, c, l, w):
        with tf.GradientTape() as tape:
            cp, lp = net(img, training=True)
            a, b = detection_loss(c, l, w, cp, lp, len(CLASSES))
            loss = a + b
        g = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        return a, b

    for ep in range(args.epochs):
        ma, mb = tf.keras.metrics.Mean(), tf.keras.metrics.Mean()
        for batch in train:
            a, b = step(*batch)
            ma.update_state(a)
            mb.update_state(b)
        hit = tot = 0.0
        for img, c, l, w in val:
            cp, lp = net(img, training=False)
            err = tf.reduce_max(tf.abs(decode(anchors, lp)[..., :2] - decode(anchors, l)[..., :2]), -1)
            hit += float(tf.reduce_sum(tf.cast(err < 0.02, tf.float32) * w))
            tot += float(tf.reduce_sum(w))
        print(f"epoch {ep} cls {ma.result():.4f} loc {mb.result():.4f} centre-hit {hit / max(tot, 1.0):.3f}")  # SAFE: floored count
        ck.save()


if __name__ == "__main__":
    main()
