import os

import numpy as np
from tensorflow import keras

import settings


def load_case(case_dir):
    """Reads npy volumes converted from NIfTI: 4 modalities and the label map."""
    name = os.path.basename(case_dir)
    vols = [np.load(os.path.join(case_dir, "%s_%s.npy" % (name, m))) for m in settings.MODALITIES]
    seg = np.load(os.path.join(case_dir, "%s_seg.npy" % name))
    return np.stack(vols, -1).astype("float32"), seg.astype("uint8")


def zscore_brain(vol):
    """Standardise each modality inside the brain mask, leave background 0."""
    out = np.zeros_like(vol)
    for c in range(vol.shape[-1]):
        v = vol[..., c]
        mask = v > 0
        if mask.sum() < settings.MIN_BRAIN_VOXELS:
            continue
        mu, sd = v[mask].mean(), v[mask].std()
        out[..., c][mask] = (v[mask] - mu) / max(sd, 1e-5)  # SAFE: at least 1000 voxels in the mask and sd floored
    return np.clip(out, -5.0, 5.0)


def to_regions(seg):
    wt = seg > 0
    tc = (seg == 1) | (seg == 4)
    et = seg == 4
    return np.stack([wt, tc, et], -1).astype("float32")


def random_patch(vol, seg, size, rng):
    start = [rng.integers(0, max(s - p, 0) + 1) for s, p in zip(vol.shape[:3], size)]
    sl = tuple(slice(a, a + p) for a, p in zip(start, size))
    return vol[sl], seg[sl]


def gamma_augment(patch, rng):
    lo = patch.min(axis=(0, 1, 2), keepdims=True)
    hi = patch.max(axis=(0, 1, 2), keepdims=True)
    span = hi - lo
    span[span < 1e-6] = 1.0
    unit = (patch - lo) / span  # SAFE: flat channels have their span replaced by 1
    return np.power(unit, rng.uniform(0.7, 1.5)) * span + lo  # SAFE: unit is in [0, 1] and the exponent is positive


class PatchSequence(keras.utils.Sequence):
    def __init__(self, case_dirs, training=True, **kw):
        super().__init__(**kw)
        self.case_dirs = list(case_dirs)
        self.training = training
        self.rng = np.random.default_rng(settings.SEED)

    def __len__(self):
        return len(self.case_dirs) * settings.PATCHES_PER_CASE // settings.BATCH

    def on_epoch_end(self):
        self.rng.shuffle(self.case_dirs)

    def __getitem__(self, i):
        xs, ys = [], []
        for k in range(settings.BATCH):
            case = self.case_dirs[(i * settings.BATCH + k) // settings.PATCHES_PER_CASE]
            vol, seg = load_case(case)
            x, y = random_patch(zscore_brain(vol), to_regions(seg), settings.PATCH, self.rng)
            if self.training and self.rng.random() < 0.3:
                x = gamma_augment(x, self.rng)
            xs.append(x)
            ys.append(y)
        return np.stack(xs), np.stack(ys)
