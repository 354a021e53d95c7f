import glob
import os

import numpy as np
from tensorflow import keras


def window(image, low, high):
    image = np.clip(image, low, high)
    return (image - low) / (high - low)  # SAFE: the window of the configuration is 400 HU wide


def zscore(image):
    std = image.std()
    if std < 1e-6:
        return np.zeros_like(image)
    return (image - image.mean()) / std  # SAFE: constant slices returned above


class SliceSequence(keras.utils.Sequence):
    """npz files with `ct` (H, W) in HU and `mask` (H, W) with the organ numbers."""

    def __init__(self, folder, config, shuffle=True, **kwargs):
        super().__init__(**kwargs)
        self.files = sorted(glob.glob(os.path.join(folder, '*.npz')))
        self.config = config
        self.shuffle = shuffle
        self.on_epoch_end()

    def __len__(self):
        return len(self.files) // self.config['batch_size']

    def on_epoch_end(self):
        if self.shuffle:
            np.random.shuffle(self.files)

    def __getitem__(self, index):
        size = self.config['batch_size']
        xs, ys = [], []
        for name in self.files[index * size:(index + 1) * size]:
            item = np.load(name)
            x = zscore(window(item['ct'].astype('float32'), *self.config['hu_window']))
            xs.append(x[..., None])
            ys.append(np.eye(self.config['n_classes'], dtype='float32')[item['mask']])
        return np.stack(xs), np.stack(ys)
