import argparse
import os

import keras
import numpy as np
import tensorflow as tf

from faces import dataset, to_grid
from vae import BetaVAE


class Samples(keras.callbacks.Callback):

    def __init__(self, folder, latent):
        super().__init__()
        self.folder = folder
        self.z = tf.random.normal([32, latent], seed=5)

    def on_epoch_end(self, epoch, logs=None):
        img = tf.sigmoid(self.model.dec(self.z)).numpy()
        np.save(os.path.join(self.folder, f"grid_{epoch:03d}.npy"), to_grid(img))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="faces/train")
    ap.add_argument("--valid", default="faces/valid")
    ap.add_argument("--latent", type=int, default=64)
    ap.add_argument("--beta", type=float, default=4.0)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--lr", type=float, default=2e-4)
    ap.add_argument("--out", default="vae_out")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    model = BetaVAE(a.latent, a.beta)
    model.compile(optimizer=keras.optimizers.Adam(a.lr, epsilon=1e-7))  # SAFE: the default epsilon
    model.fit(dataset(a.train, a.batch), validation_data=dataset(a.valid, a.batch, False), epochs=a.epochs,
              callbacks=[Samples(a.out, a.latent), keras.callbacks.TerminateOnNaN()])
    model.enc.save(os.path.join(a.out, "enc.keras"))
    model.dec.save(os.path.join(a.out, "dec.keras"))


if __name__ == "__main__":
    main()
