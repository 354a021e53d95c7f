import glob
import os

import numpy as np


def load_image(path, size):
    from PIL import Image
    im = Image.open(path).convert("RGB")
    w, h = im.size
    side = min(w, h)
    left, top = (w - side) // 2, (h - side) // 2
    im = im.crop((left, top, left + side, top + side)).resize((size, size))
    return np.asarray(im, np.float32) / 127.5 - 1.0


class ImageFolder(object):

    def __init__(self, root, size=64, pattern="*.jpg"):
        self.size = size
        self.files = sorted(glob.glob(os.path.join(root, pattern)))
        if not self.files:
            raise IOError("no images found under %s" % root)

    def __len__(self):
        return len(self.files)

    def batches(self, batch_size, seed=0):
        rng = np.random.RandomState(seed)
        order = rng.permutation(len(self.files))
        for i in range(len(order) // batch_size):
            idx = order[i * batch_size:(i + 1) * batch_size]
            yield np.stack([load_image(self.files[j], self.size) for j in idx])


def merge_grid(images, rows):
    n, h, w, c = images.shape
    cols = n // rows
    grid = np.zeros((h * rows, w * cols, c), np.float32)
    for i in range(rows * cols):
        r, q = divmod(i, cols)
        grid[r * h:(r + 1) * h, q * w:(q + 1) * w] = images[i]
    return np.clip((grid + 1.0) * 127.5, 0, 255).astype(np.uint8)  # SAFE: clipped to 0..255 before the uint8 cast
