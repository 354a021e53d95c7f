"""6-DoF pose of bin-picking parts from depth crops: 6D rotation head + geodesic loss."""
import argparse
import csv
import os
import random

import numpy as np
import keras
from keras import ops

DEPTH_MAX = 2.0


def rows(path):
    with open(path) as fh:
        for r in csv.DictReader(fh):
            q = np.array([float(r[k]) for k in ("qw", "qx", "qy", "qz")])
            n = np.linalg.norm(q)
            if n < 0.5:
                continue
            yield r["depth"], q / n, np.array([float(r[k]) for k in ("tx", "ty", "tz")])  # SAFE: degenerate quaternions are skipped


def quat_to_mat(q):
    w, x, y, z = q
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]], np.float32)


class DepthPoses(keras.utils.PyDataset):
    def __init__(self, root, index, batch, train, **kw):
        super().__init__(**kw)
        self.root, self.batch, self.train = root, batch, train
        self.items = list(rows(index))

    def __len__(self):
        return max(len(self.items) // self.batch, 1)

    def on_epoch_end(self):
        if self.train:
            random.shuffle(self.items)

    def depth(self, name):
        d = np.load(os.path.join(self.root, name)).astype(np.float32) / 1000.0
        valid = (d > 0) & (d < DEPTH_MAX)
        if not valid.any():
            return np.zeros(d.shape + (2,), np.float32)
        med = np.median(d[valid])
        z = np.where(valid, (d - med) / 0.05, 0.0)
        return np.stack([np.clip(z, -4, 4), valid], -1).astype(np.float32)

    def __getitem__(self, i):
        part = self.items[i * self.batch:(i + 1) * self.batch]
        x = np.stack([self.depth(n) for n, _, _ in part])
        if self.train:
            x[..., 0] += np.random.normal(0, 0.05, x.shape[:-1])
        R = np.stack([quat_to_mat(q) for _, q, _ in part])
        t = np.stack([t for _, _, t in part]).astype(np.float32)
        return x, {"rot": R, "trans": t}


class GramSchmidt(keras.layers.Layer):
    """Zhou et al. 2019 continuous representation."""

    def call(self, v):
        a, b = v[:, :3], v[:, 3:]
        x = a / ops.sqrt(ops.sum(a * a, -1, keepdims=True) + 1e-8)  # SAFE: offset under the root, float32
        b = b - ops.sum(x * b, -1, keepdims=True) * x
        y = ops.normalize(b, axis=-1, epsilon=1e-6)  # SAFE: normalize floors the norm with epsilon
        z = ops.cross(x, y)
        return ops.stack([x, y, z], -1)


def geodesic(R_true, R_pred):
    m = ops.matmul(ops.transpose(R_true, (0, 2, 1)), R_pred)
    tr = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    cos = ops.clip((tr - 1.0) / 2.0, -1.0, 1.0)
    return ops.arccos(cos)  # BUG: domain, the clip keeps exactly 1 where the arccos derivative is infinite


def symmetric_geodesic(R_true, R_pred, order):
    """Minimum over a discrete symmetry about z."""
    best = None
    for k in range(order):
        a = 2 * np.pi * k / order  # SAFE: symmetry order is a positive integer
        S = ops.convert_to_tensor(np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]], np.float32))
        d = geodesic(ops.matmul(R_true, S), R_pred)
        best = d if best is None else ops.minimum(best, d)
    return best


class RotLoss(keras.losses.Loss):
    def __init__(self, order=1):
        super().__init__(name="rot")
        self.order = order

    def call(self, y_true, y_pred):
        return symmetric_geodesic(y_true, y_pred, self.order)


class TransLoss(keras.losses.Loss):
    def __init__(self, delta=0.02):
        super().__init__(name="trans")
        self.delta = delta

    def call(self, y_true, y_pred):
        e2 = ops.sum(ops.square(y_true - y_pred), -1)
        return ops.sqrt(e2 + self.delta ** 2) - self.delta  # SAFE: pseudo-Huber, delta squared 4e-4 under the root


def add_error_deg(R, t, Rp, tp):
    cos = np.clip((np.einsum("bij,bij->b", R, Rp) - 1) / 2, -1, 1)
    ang = np.degrees(np.arccos(cos))  # SAFE: numpy evaluation with clip, values finite and no gradient
    return ang, np.linalg.norm(t - tp, axis=-1)  # SAFE: numpy norm, no gradient


def build(size):
    inp = keras.Input((size, size, 2))
    x = inp
    for ch in (32, 64, 128, 256):
        x = keras.layers.Conv2D(ch, 3, 2, padding="same")(x)
        x = keras.layers.LayerNormalization(epsilon=1e-5)(x)  # SAFE: float32 layer norm with epsilon
        x = keras.layers.Activation("gelu")(x)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x))
    h = keras.layers.Dense(256, activation="gelu")(x)
    rot = GramSchmidt(name="rot")(keras.layers.Dense(
        6, kernel_initializer="zeros",
        bias_initializer=lambda s, dtype=None: ops.convert_to_tensor([1., 0, 0, 0, 1., 0]))(h))
    trans = keras.layers.Dense(3, name="trans")(h)
    return keras.Model(inp, {"rot": rot, "trans": trans})


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--size", type=int, default=128)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=80)
    ap.add_argument("--order", type=int, default=1)
    a = ap.parse_args()
    tr = DepthPoses(a.root, os.path.join(a.root, "train.csv"), a.batch, True, workers=2)
    va = DepthPoses(a.root, os.path.join(a.root, "val.csv"), a.batch, False)
    net = build(a.size)
    net.compile(keras.optimizers.Adam(5e-4, clipnorm=1.0), loss={"rot": RotLoss(a.order), "trans": TransLoss()},
                loss_weights={"rot": 1.0, "trans": 5.0})
    net.fit(tr, validation_data=va, epochs=a.epochs, verbose=2,
            callbacks=[keras.callbacks.ModelCheckpoint("pose.weights.h5", save_weights_only=True, save_best_only=True)])
    angs, dists = [], []
    for i in range(len(va)):
        x, y = va[i]
        p = net.predict_on_batch(x)
        ang, d = add_error_deg(y["rot"], y["trans"], p["rot"], p["trans"])
        angs.append(ang)
        dists.append(d)
    angs, dists = np.concatenate(angs), np.concatenate(dists)
    print(f"median {np.median(angs):.2f} deg / {1000 * np.median(dists):.1f} mm, "
          f"5deg5cm {np.mean((angs < 5) & (dists < 0.05)):.3f}")


if __name__ == "__main__":
    main()
