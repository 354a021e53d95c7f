import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from constants import IGNORE, NUM_CLASSES, TILE
from losses import WeightedCE, inverse_log, median_frequency
from tiles import frequencies, load_split, to_dataset

WEIGHTING = {"median": median_frequency, "enet": inverse_log, "none": lambda f: np.ones_like(f, np.float32)}


def net(channels, width=24):
    inp = keras.Input((TILE, TILE, channels))
    x = layers.BatchNormalization()(inp)
    for d in (1, 2, 4, 8):
        y = layers.Conv2D(width, 3, padding="same", dilation_rate=d)(x)
        y = layers.GroupNormalization(4)(y)
        y = layers.Activation("gelu")(y)
        x = y if x.shape[-1] != width else layers.add([x, y])
    return keras.Model(inp, layers.Conv2D(NUM_CLASSES, 1)(x))


def confusion(y, p):
    keep = y != IGNORE
    return np.bincount(y[keep] * NUM_CLASSES + p[keep], minlength=NUM_CLASSES ** 2).reshape(NUM_CLASSES, NUM_CLASSES)


def mean_iou(cm):
    inter = np.diag(cm)
    union = cm.sum(0) + cm.sum(1) - inter
    seen = union > 0
    return float((inter[seen] / union[seen]).mean()) if seen.any() else 0.0  # SAFE: only classes with a positive union


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/s2")
    ap.add_argument("--weighting", default="median", choices=sorted(WEIGHTING))
    ap.add_argument("--gamma", type=float, default=0.0)
    ap.add_argument("--epochs", type=int, default=30)
    a = ap.parse_args()
    x, y = load_split(a.root, "train")
    vx, vy = load_split(a.root, "val")
    w = WEIGHTING[a.weighting](frequencies(y))
    print("class weights", np.round(w, 3))
    model = net(x.shape[-1])
    model.compile(keras.optimizers.Adam(1e-3), loss=WeightedCE(w, a.gamma))
    for epoch in range(a.epochs):
        h = model.fit(to_dataset(x, y, 8, True), verbose=0)
        p = model.predict(to_dataset(vx, vy, 8, False), verbose=0).argmax(-1)
        print(epoch, h.history["loss"][-1], mean_iou(confusion(vy, p)))
    model.save("landcover.keras")


if __name__ == "__main__":
    main()
