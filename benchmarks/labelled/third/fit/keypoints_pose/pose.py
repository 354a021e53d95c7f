"""Single person pose regression with soft-argmax heads on COCO crops."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from measures import mean_distance, oks, soft_argmax, spread_penalty

N_POINTS = 17


def load_crops(path):
    """npz with uint8 crops, keypoints in pixels [n, 17, 2], visibility [n, 17], area."""
    with np.load(path) as z:
        img, pts, vis, area = z["crops"], z["points"], z["visible"], z["area"]
    size = float(img.shape[1])
    return img, {
        "points": (pts / size).astype("float32"),  # SAFE: crops have a positive size
        "vis": vis.astype("float32"),
        "area": (area / size ** 2).astype("float32"),  # SAFE: crops have a positive size
    }


def flip(img, y):
    pairs = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    pts = tf.gather(y["points"], pairs, axis=0)
    pts = tf.stack([1.0 - pts[:, 0], pts[:, 1]], -1)
    return img[:, ::-1], {"points": pts, "vis": tf.gather(y["vis"], pairs), "area": y["area"]}


def dataset(img, y, batch, training):
    ds = tf.data.Dataset.from_tensor_slices((img, y))
    if training:
        ds = ds.shuffle(4096).map(lambda a, b: flip(a, b) if tf.random.uniform(()) < 0.5 else (a, b))
    return ds.batch(batch).prefetch(2)


def backbone(size, width=32):
    inp = keras.Input((size, size, 3))
    x = layers.Rescaling(1.0 / 255)(inp)  # SAFE: uint8 pixels are scaled in the network
    for i in range(3):
        x = layers.Conv2D(width * 2 ** i, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.Conv2D(width * 4, 3, padding="same", activation="relu")(x)
    return keras.Model(inp, layers.Conv2D(N_POINTS, 1)(x))


class PoseModel(keras.Model):
    def __init__(self, size, width=32, w_spread=0.05):
        super().__init__()
        self.net = backbone(size, width)
        self.w_spread = w_spread
        self.tracker = keras.metrics.Mean(name="loss")
        self.oks = keras.metrics.Mean(name="oks")

    @property
    def metrics(self):
        return [self.tracker, self.oks]

    def call(self, x, training=False):
        return soft_argmax(self.net(tf.cast(x, tf.float32), training=training))

    def step(self, data, training):
        x, y = data
        pts, p = self(x, training=training)
        loss = mean_distance(y["points"], pts, y["vis"]) + self.w_spread * spread_penalty(p, pts)
        self.tracker.update_state(loss)
        self.oks.update_state(oks(y["points"], pts, y["vis"], y["area"]))
        return loss

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.step(data, True)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        self.step(data, False)
        return {m.name: m.result() for m in self.metrics}


def pck(true, pred, vis, thr=0.1):
    d = np.sqrt(((true - pred) ** 2).sum(-1))  # SAFE: numpy, evaluation only
    m = vis > 0
    return float((d[m] < thr).mean()) if m.any() else 0.0  # SAFE: empty selections are handled


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("valid")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=50)
    a = ap.parse_args()
    img, y = load_crops(a.train)
    vi, vy = load_crops(a.valid)
    model = PoseModel(img.shape[1])
    model.compile(optimizer=keras.optimizers.Adam(a.lr))
    model.fit(dataset(img, y, a.batch, True), validation_data=dataset(vi, vy, a.batch, False), epochs=a.epochs)
    pts = np.concatenate([model(vi[i:i + 64])[0].numpy() for i in range(0, len(vi), 64)])
    print("PCK@0.1", pck(vy["points"], pts, vy["vis"]))


if __name__ == "__main__":
    main()
