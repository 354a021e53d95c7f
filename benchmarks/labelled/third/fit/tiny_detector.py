"""Anchor free one class detector (FCOS flavour) for drone images, Keras subclassed model."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

STRIDE = 8


def load_annotations(path):
    with open(path) as f:
        items = json.load(f)
    return [(i["file"], np.array(i["boxes"], "float32").reshape(-1, 4)) for i in items]


def targets_for(boxes, size):
    """Per cell: centre flag, l t r b distances in strides, centerness."""
    g = size // STRIDE
    cx = (np.arange(g) + 0.5) * STRIDE
    xx, yy = np.meshgrid(cx, cx)
    cls = np.zeros((g, g, 1), "float32")
    ltrb = np.zeros((g, g, 4), "float32")
    ctr = np.zeros((g, g, 1), "float32")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for x0, y0, x1, y1 in boxes[np.argsort(-area)]:
        d = np.stack([xx - x0, yy - y0, x1 - xx, y1 - yy], -1)
        inside = d.min(-1) > 0
        cls[inside] = 1.0
        ltrb[inside] = d[inside] / STRIDE
        lr, tb = d[inside][:, 0::2], d[inside][:, 1::2]
        q = lr.min(1) / lr.max(1) * tb.min(1) / tb.max(1)  # SAFE: only cells inside the box, all four distances are positive
        ctr[inside, 0] = np.sqrt(q)  # SAFE: product of positive ratios, numpy targets without gradient
    return cls, ltrb, ctr


class Batches(keras.utils.Sequence):
    def __init__(self, root, items, size, batch, **kw):
        super().__init__(**kw)
        self.root, self.items, self.size, self.batch = root, items, size, batch

    def __len__(self):
        return max(len(self.items) // self.batch, 1)

    def __getitem__(self, i):
        part = self.items[i * self.batch:(i + 1) * self.batch]
        xs, cs, bs, qs = [], [], [], []
        for name, boxes in part:
            img = keras.utils.load_img(os.path.join(self.root, name))
            sx, sy = self.size / img.width, self.size / img.height  # SAFE: a decoded image has positive width and height
            xs.append(np.asarray(img.resize((self.size, self.size)), "float32"))
            c, b, q = targets_for(boxes * np.array([sx, sy, sx, sy], "float32"), self.size)
            cs.append(c), bs.append(b), qs.append(q)
        return np.stack(xs), {"cls": np.stack(cs), "box": np.stack(bs), "ctr": np.stack(qs)}


def sigmoid_focal(labels, logits, alpha=0.25, gamma=2.0):
    p = tf.sigmoid(logits)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: fused op on raw logits
    pt = labels * p + (1.0 - labels) * (1.0 - p)
    at = labels * alpha + (1.0 - labels) * (1.0 - alpha)
    return at * tf.pow(1.0 - pt, gamma) * ce  # SAFE: exponent 2, the gradient at base 0 is 0


def giou(pred, true):
    """pred, true: positive distances l t r b from the same point."""
    pa = (pred[..., 0] + pred[..., 2]) * (pred[..., 1] + pred[..., 3])
    ta = (true[..., 0] + true[..., 2]) * (true[..., 1] + true[..., 3])
    iw = tf.minimum(pred[..., 0], true[..., 0]) + tf.minimum(pred[..., 2], true[..., 2])
    ih = tf.minimum(pred[..., 1], true[..., 1]) + tf.minimum(pred[..., 3], true[..., 3])
    cw = tf.maximum(pred[..., 0], true[..., 0]) + tf.maximum(pred[..., 2], true[..., 2])
    ch = tf.maximum(pred[..., 1], true[..., 1]) + tf.maximum(pred[..., 3], true[..., 3])
    inter = iw * ih
    union = pa + ta - inter
    hull = cw * ch
    iou = inter / tf.maximum(union, 1e-6)  # SAFE: union floored at 1e-6 for cells without a box
    return iou - (hull - union) / tf.maximum(hull, 1e-6)  # SAFE: hull floored at 1e-6


class Scale(layers.Layer):
    def build(self, shape):
        self.s = self.add_weight(name="s", shape=(), initializer="ones")

    def call(self, x):
        return tf.exp(tf.clip_by_value(self.s * x, -6.0, 6.0))  # SAFE: the exponent is clipped


def conv(x, n, stride=1):
    x = layers.Conv2D(n, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.GroupNormalization(groups=8, epsilon=1e-5)(x)
    return layers.Activation("relu")(x)


def build_net(size, prior=0.01):
    inp = keras.Input((size, size, 3))
    x = layers.Rescaling(1.0 / 127.5, offset=-1)(inp)  # SAFE: 0..255 pixels are scaled in the network
    for n in (16, 32, 64):
        x = conv(conv(x, n, 2), n)
    a, b = conv(x, 64), conv(x, 64)
    bias = keras.initializers.Constant(-np.log((1 - prior) / prior))  # SAFE: prior is the constant 0.01
    cls = layers.Conv2D(1, 3, padding="same", bias_initializer=bias, name="cls")(a)
    ctr = layers.Conv2D(1, 3, padding="same", name="ctr")(b)
    box = Scale(name="box")(layers.Conv2D(4, 3, padding="same")(b))
    return keras.Model(inp, {"cls": cls, "box": box, "ctr": ctr})


class Detector(keras.Model):
    def __init__(self, size):
        super().__init__()
        self.net = build_net(size)
        self.t = {k: keras.metrics.Mean(name=k) for k in ("loss", "cls", "box", "ctr")}

    @property
    def metrics(self):
        return list(self.t.values())

    def call(self, x, training=False):
        return self.net(x, training=training)

    def losses_of(self, y, out):
        n_pos = tf.maximum(tf.reduce_sum(y["cls"]), 1.0)
        cls = tf.reduce_sum(sigmoid_focal(y["cls"], out["cls"])) / n_pos  # SAFE: number of positives floored at 1
        w = y["ctr"][..., 0] * y["cls"][..., 0]
        box = tf.reduce_sum(w * (1.0 - giou(out["box"], y["box"]))) / tf.maximum(tf.reduce_sum(w), 1.0)  # SAFE: weight sum floored at 1
        q = tf.nn.sigmoid_cross_entropy_with_logits(labels=y["ctr"], logits=out["ctr"])  # SAFE: fused op on raw logits
        return cls, box, tf.reduce_sum(q * y["cls"]) / n_pos  # SAFE: number of positives floored at 1

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            cls, box, ctr = self.losses_of(y, self(x, training=True))
            total = cls + box + ctr
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(total, v), v))
        for k, s in zip(("loss", "cls", "box", "ctr"), (total, cls, box, ctr)):
            self.t[k].update_state(s)
        return {m.name: m.result() for m in self.metrics}


def detect(model, image, threshold=0.3, top=100):
    out = model.predict(image[None].astype("float32"), verbose=0)
    score = np.sqrt(tf.sigmoid(out["cls"]) * tf.sigmoid(out["ctr"]))[0, ..., 0]  # SAFE: product of sigmoids, inference only
    g = score.shape[0]
    yy, xx = np.mgrid[:g, :g]
    c = (np.stack([xx, yy], -1) + 0.5) * STRIDE
    d = out["box"][0] * STRIDE
    boxes = np.concatenate([c - d[..., :2], c + d[..., 2:]], -1).reshape(-1, 4)
    s = score.ravel()
    keep = tf.image.non_max_suppression(boxes[:, [1, 0, 3, 2]], s, top, 0.5, threshold).numpy()
    return boxes[keep], s[keep]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("annotations")
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    model = Detector(a.size)
    model.compile(keras.optimizers.AdamW(a.lr, weight_decay=1e-4, clipnorm=5.0))
    model.fit(Batches(a.root, load_annotations(a.annotations), a.size, a.batch), epochs=40)
    model.net.save("detector.keras")


if __name__ == "__main__":
    main()
