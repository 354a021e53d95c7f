import argparse
import glob
import json
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers as L
from config import S, B, C, IMG, ANCHORS, CLASSES
from loss import YoloLoss, precision_recall


def conv(x, f, k=3):
    x = L.Conv2D(f, k, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return L.LeakyReLU(0.1)(x)


def darknet_ish():
    i = L.Input((IMG, IMG, 3))
    x = i
    for f in (16, 32, 64, 128, 256):
        x = L.MaxPooling2D()(conv(x, f))
    x = conv(conv(x, 512), 512)
    x = L.Conv2D(B * (5 + C), 1)(x)
    return tf.keras.Model(i, L.Reshape((S, S, B, 5 + C))(x))


def encode(objs, w, h):
    y = np.zeros((S, S, B, 5 + C), "float32")
    for o in objs:
        if o["x2"] <= o["x1"] or o["y2"] <= o["y1"]:
            continue
        cx, cy = (o["x1"] + o["x2"]) / 2 / w * S, (o["y1"] + o["y2"]) / 2 / h * S  # SAFE: picture size is positive
        bw, bh = (o["x2"] - o["x1"]) / w * S, (o["y2"] - o["y1"]) / h * S  # SAFE: picture size
        inter = np.minimum(ANCHORS[:, 0], bw) * np.minimum(ANCHORS[:, 1], bh)
        k = int(np.argmax(inter / (ANCHORS.prod(1) + bw * bh - inter)))  # SAFE: anchors have positive area
        y[min(int(cy), S - 1), min(int(cx), S - 1), k] = np.r_[cx, cy, bw, bh, 1.0, np.eye(C)[CLASSES.index(o["c"])]]
    return y


def load(folder, scale=True):
    xs, ys = [], []
    for f in sorted(glob.glob(folder + "/*.json")):
        a = json.load(open(f))
        im = tf.keras.utils.load_img(f[:-4] + "jpg", target_size=(IMG, IMG))
        xs.append(tf.keras.utils.img_to_array(im))
        ys.append(encode(a["objects"], a["width"], a["height"]))
    x = np.array(xs, "float32")
    if scale:
        x /= 255.0  # SAFE: constant
    return x, np.array(ys)


class PR(tf.keras.callbacks.Callback):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_epoch_end(self, epoch, logs=None):
        o = tf.sigmoid(self.model.predict(self.x, verbose=0)[..., 4])
        print("PR", [float(v) for v in precision_recall(self.y[..., 4], o)])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="voc_small")
    p.add_argument("--mode", default="v2")
    p.add_argument("--bounded", action="store_true")
    a = p.parse_args()
    x, y = load(a.data)
    m = darknet_ish()
    m.compile(optimizer=tf.keras.optimizers.Adam(1e-3), loss=YoloLoss(a.mode, a.bounded))  # SAFE: linear head, loss decodes it
    m.fit(x, y, batch_size=16, epochs=100, validation_split=0.1, callbacks=[PR(x[:32], y[:32])])  # SAFE: load() scales by default
    # overfit check, as on the forum, on ten pictures
    xx, yy = load(a.data + "/tiny", scale=False)
    m2 = darknet_ish()
    m2.compile(optimizer=tf.keras.optimizers.SGD(10.0), loss=YoloLoss("v2"))  # BUG: rate, SGD 10 on a summed box loss
    m2.fit(xx, yy, epochs=5)  # MAYBE: unscaled pixels, but a BatchNormalization follows the first conv


if __name__ == "__main__":
    main()
