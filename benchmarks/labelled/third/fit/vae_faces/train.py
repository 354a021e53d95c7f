import dataclasses
import json
import math
import os
import sys

import numpy as np
from tensorflow import keras

from config import Config
from data import make_dataset
from model import FaceVAE


class CosineLR(keras.callbacks.Callback):
    def __init__(self, base, epochs, floor=0.01):
        super().__init__()
        self.base, self.epochs, self.floor = base, epochs, floor

    def on_epoch_begin(self, epoch, logs=None):
        t = epoch / max(self.epochs - 1, 1)  # SAFE: a one epoch run divides by 1
        scale = self.floor + 0.5 * (1.0 - self.floor) * (1.0 + math.cos(math.pi * t))
        self.model.optimizer.learning_rate.assign(self.base * scale)


class SaveGrid(keras.callbacks.Callback):
    def __init__(self, cfg, n=8):
        super().__init__()
        self.cfg = cfg
        self.z = np.random.RandomState(0).randn(n * n, cfg.latent_dim).astype("float32")

    def on_epoch_end(self, epoch, logs=None):
        out = self.model.decoder.predict(self.z, verbose=0)
        np.save(os.path.join(self.cfg.out_dir, "grid_%03d.npy" % epoch), (out * 255).astype("uint8"))


def main():
    cfg = Config()
    if len(sys.argv) > 1:
        with open(sys.argv[1]) as f:
            cfg = dataclasses.replace(cfg, **json.load(f))
    os.makedirs(cfg.out_dir, exist_ok=True)
    vae = FaceVAE(cfg)
    vae.compile(optimizer=keras.optimizers.Adam(cfg.learning_rate, clipnorm=cfg.clipnorm))  # SAFE: 1e-3 with clipped norm
    vae.fit(make_dataset(cfg), epochs=cfg.epochs,
            callbacks=[CosineLR(cfg.learning_rate, cfg.epochs), SaveGrid(cfg)])
    vae.decoder.save(os.path.join(cfg.out_dir, "decoder.keras"))


if __name__ == "__main__":
    main()
