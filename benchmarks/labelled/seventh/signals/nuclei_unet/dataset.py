import glob
import os

import numpy as np
import tensorflow as tf


def rescale_intensity(img, low_pct, high_pct):
    """Percentile stretch to [0, 1], as done for the fluorescence tiles."""
    lo = np.percentile(img, low_pct)
    hi = np.percentile(img, high_pct)
    out = (img.astype(np.float32) - lo) / (hi - lo + 1e-3)  # SAFE: hi >= lo, so the denominator is at least 1e-3
    return np.clip(out, 0.0, 1.0).astype(np.float32)


def border_weights(labels, sigma, w0=10.0):
    """U-Net style border weighting from an instance label map."""
    from scipy.ndimage import distance_transform_edt
    ids = [i for i in np.unique(labels) if i not in (0, 255)]
    if len(ids) < 2:
        return np.ones(labels.shape, np.float32)
    dist = np.stack([distance_transform_edt(labels != i) for i in ids], -1)
    dist.sort(axis=-1)
    d = dist[..., 0] + dist[..., 1]
    w = w0 * np.exp(-(d ** 2) / (2.0 * sigma ** 2))  # SAFE: exponent is never positive, sigma is the constant 5.0
    return (1.0 + w).astype(np.float32)


def random_crop(image, mask, weight, size):
    h, w = mask.shape
    top = np.random.randint(0, h - size + 1)
    left = np.random.randint(0, w - size + 1)
    sl = np.s_[top:top + size, left:left + size]
    return image[sl], mask[sl], weight[sl]


class NucleiTiles:
    """Yields (image, mask, weight). Unannotated areas carry the void label."""

    def __init__(self, cfg, loss_cfg):
        self.cfg = cfg
        self.loss_cfg = loss_cfg
        self.files = sorted(glob.glob(os.path.join(cfg.root, "*.npz")))

    def load(self, path):
        z = np.load(path)
        image = rescale_intensity(z["image"], self.cfg.low_pct, self.cfg.high_pct)
        labels = z["labels"]
        weight = border_weights(labels, self.loss_cfg.distance_sigma)
        mask = np.where(labels == self.loss_cfg.void_label, labels, (labels > 0))
        return image, mask.astype(np.int32), weight

    def generator(self):
        for path in np.random.permutation(self.files):
            image, mask, weight = self.load(path)
            image, mask, weight = random_crop(image, mask, weight, self.cfg.crop)
            yield image[..., None], mask[..., None], weight[..., None]

    def dataset(self):
        c = self.cfg.crop
        sig = (tf.TensorSpec((c, c, 1), tf.float32),
               tf.TensorSpec((c, c, 1), tf.int32),
               tf.TensorSpec((c, c, 1), tf.float32))
        ds = tf.data.Dataset.from_generator(self.generator, output_signature=sig)
        return ds.shuffle(64).map(self.standardize).batch(self.cfg.batch_size).prefetch(2)

    @staticmethod
    def standardize(image, mask, weight):
        mean, var = tf.nn.moments(image, axes=[0, 1, 2])
        n = tf.cast(tf.size(image), tf.float32)
        std = tf.maximum(tf.sqrt(var), tf.math.rsqrt(n))
        return (image - mean) / std, mask, weight  # SAFE: std is floored at 1/sqrt(n), blank tile gives 0
