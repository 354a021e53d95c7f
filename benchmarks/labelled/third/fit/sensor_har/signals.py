import os

import numpy as np

ACTIVITIES = ["walking", "jogging", "upstairs", "downstairs", "sitting", "standing"]
G = 9.80665


def read_subject(path):
    """Rows: activity, x, y, z in m/s^2 at 20 Hz."""
    labels, xyz = [], []
    with open(path) as f:
        for line in f:
            a, x, y, z = line.strip().split(",")
            labels.append(ACTIVITIES.index(a))
            xyz.append((float(x), float(y), float(z)))
    return np.array(labels), np.array(xyz, "float32") / G  # SAFE: constant divisor


def windows(labels, xyz, size, stride):
    xs, ys = [], []
    for s in range(0, len(xyz) - size + 1, stride):
        part = labels[s:s + size]
        if (part == part[0]).all():
            xs.append(features(xyz[s:s + size]))
            ys.append(part[0])
    return np.array(xs, "float32"), np.array(ys, "int32")


def features(w):
    mag = np.sqrt((w ** 2).sum(1, keepdims=True))  # SAFE: sum of squares, numpy features without gradient
    tilt = np.arccos(np.clip(w[:, 2:3] / np.maximum(mag, 1e-6), -1.0, 1.0))  # SAFE: magnitude floored and the cosine clipped
    return np.concatenate([w, mag, tilt], 1)


class ChannelScaler:
    def fit(self, x):
        self.mu = x.mean((0, 1))
        self.sd = np.maximum(x.std((0, 1)), 1e-4)
        return self

    def __call__(self, x):
        return np.clip((x - self.mu) / self.sd, -8, 8)  # SAFE: deviation floored at 1e-4


def load_all(root, size, stride):
    xs, ys, who = [], [], []
    for k, f in enumerate(sorted(os.listdir(root))):
        x, y = windows(*read_subject(os.path.join(root, f)), size, stride)
        if len(y):
            xs.append(x), ys.append(y), who.append(np.full(len(y), k))
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(who)
