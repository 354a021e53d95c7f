"""All knobs of the BraTS experiment in one place."""
import os

ROOT = os.environ.get("BRATS_ROOT", "data/BraTS2020")
MODALITIES = ("flair", "t1", "t1ce", "t2")
PATCH = (64, 64, 64)
N_CLASSES = 3          # WT, TC, ET as overlapping sigmoid maps
BASE_FILTERS = 8
DEPTH = 3

OPTIMIZER = dict(lr=3e-4, weight_decay=1e-5)
LOSS = dict(name="dice_ce", smooth=0.0, ce_weight=0.5)
PATCHES_PER_CASE = 4
BATCH = 2
EPOCHS = 120
MIN_BRAIN_VOXELS = 1000
SEED = 7
