import numpy as np


def load(path):
    with np.load(path) as f:
        x_train, y_train = f["x_train"], f["y_train"]
        x_test, y_test = f["x_test"], f["y_test"]
    return (prepare(x_train), one_hot(y_train)), (prepare(x_test), one_hot(y_test))


def prepare(images):
    flat = images.reshape(len(images), -1).astype(np.float32)
    return flat / 255.0


def one_hot(labels, n=10):
    return np.eye(n, dtype=np.float32)[labels]


def standard_grid(n=20, limit=2.0):
    step = 2 * limit / (n - 1)  # SAFE: called with n=20 only
    axis = -limit + step * np.arange(n)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def batches(x, y, size, rng):
    order = rng.permutation(len(x))
    for i in range(0, len(x) - size + 1, size):
        sel = order[i:i + size]
        yield x[sel], y[sel]
