import gzip
import os

import numpy as np

PIXEL_DEPTH = 255


def extract_data(filename, num_images, norm_shift=False, norm_scale=True):
    with gzip.open(filename) as f:
        f.read(16)
        buf = f.read(28 * 28 * num_images)
    data = np.frombuffer(buf, dtype=np.uint8).astype(np.float32)
    if norm_shift:
        data = data - (PIXEL_DEPTH / 2.0)
    if norm_scale:
        data = data / PIXEL_DEPTH  # SAFE: the pixel depth is the constant 255
    return data.reshape(num_images, -1)


def prepare(root="data", n_train=60000, n_test=10000):
    train = extract_data(os.path.join(root, "train-images-idx3-ubyte.gz"), n_train)
    test = extract_data(os.path.join(root, "t10k-images-idx3-ubyte.gz"), n_test)
    return train, test


def add_noise(x, factor, rng):
    return x * rng.randint(2, size=x.shape) + factor * rng.randint(2, size=x.shape)


def psnr(x, y):
    mse = np.mean((x - y) ** 2, axis=1)
    return float(np.mean(10 * np.log10(1.0 / np.maximum(mse, 1e-12))))  # SAFE: mse is floored at 1e-12 and this is only printed
