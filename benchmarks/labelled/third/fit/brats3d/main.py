import glob
import os

import numpy as np
from tensorflow import keras

import losses
import network
import settings
from volumes import PatchSequence


def split_cases(root, fold=0, folds=5):
    cases = sorted(glob.glob(os.path.join(root, "BraTS20_*")))
    np.random.default_rng(settings.SEED).shuffle(cases)
    val = cases[fold::folds]
    return [c for c in cases if c not in set(val)], val


def build():
    net = network.unet3d(settings.PATCH, len(settings.MODALITIES), settings.N_CLASSES,
                         settings.BASE_FILTERS, settings.DEPTH)
    opt = keras.optimizers.AdamW(settings.OPTIMIZER["lr"], weight_decay=settings.OPTIMIZER["weight_decay"])  # SAFE: 3e-4 for AdamW
    net.compile(opt, loss=losses.from_settings(settings.LOSS),
                metrics=[losses.region_dice(i, n) for i, n in enumerate(("wt", "tc", "et"))])
    return net


def main():
    train, val = split_cases(settings.ROOT)
    net = build()
    net.fit(PatchSequence(train), validation_data=PatchSequence(val, training=False), epochs=settings.EPOCHS,
            callbacks=[keras.callbacks.ModelCheckpoint("brats.keras", monitor="val_dice_wt", mode="max",
                                                       save_best_only=True),
                       keras.callbacks.TerminateOnNaN()])


if __name__ == "__main__":
    main()
