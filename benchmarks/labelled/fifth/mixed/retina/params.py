"""Anchor free details live elsewhere; these are the RetinaNet style settings."""

LEVELS = (3, 4, 5)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
RATIOS = (0.5, 1.0, 2.0)
ANCHOR_BASE = 4.0
VARIANCES = (0.1, 0.1, 0.2, 0.2)
IMAGE_SIZE = 128
NUM_CLASSES = 4
FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 1.5
HUBER_DELTA = 0.1
PRIOR = 0.01
MAX_SIZE_DELTA = 4.135
POS_IOU = 0.5
NEG_IOU = 0.4
LR = 5e-4
