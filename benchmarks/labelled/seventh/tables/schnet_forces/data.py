import numpy as np
import tensorflow as tf


def load(path):
    with np.load(path) as z:
        return z["z"], z["pos"].astype(np.float32), z["energy"].astype(np.float32), z["forces"].astype(np.float32)


def neighbour_list(pos, cutoff):
    """Indices of all pairs within the cutoff plus a skin."""
    d = np.sqrt(((pos[:, None] - pos[None]) ** 2).sum(-1))  # SAFE: numpy, no gradient
    i, j = np.nonzero(d < cutoff + 1.0)
    return i.astype(np.int32), j.astype(np.int32)


class EnergyScaler:

    def __init__(self, z, energy):
        counts = np.stack([(z == k).sum(1) for k in range(1, 10)], 1).astype(np.float64)
        self.coef = np.linalg.lstsq(counts, energy, rcond=None)[0]
        rest = energy - counts @ self.coef
        self.std = max(float(rest.std()), 1e-4)

    def encode(self, z, e):
        counts = np.array([(z == k).sum() for k in range(1, 10)], np.float64)
        return np.float32((e - counts @ self.coef) / self.std)  # SAFE: floored deviation

    def force_scale(self):
        return 1.0 / self.std  # SAFE: floored deviation


def batch(z, pos, energy, forces, rows, cutoff, scaler):
    out = {k: [] for k in ("z", "pos", "i", "j", "mol", "f")}
    e, off = [], 0
    for m, r in enumerate(rows):
        i, j = neighbour_list(pos[r], cutoff)
        out["i"].append(i + off)
        out["j"].append(j + off)
        out["z"].append(z[r])
        out["pos"].append(pos[r])
        out["f"].append(forces[r] * scaler.force_scale())
        out["mol"].append(np.full(len(z[r]), m, np.int32))
        e.append(scaler.encode(z[r], energy[r]))
        off += len(z[r])
    g = {k: tf.constant(np.concatenate(v)) for k, v in out.items()}
    g["e"] = tf.constant(np.array(e, np.float32))
    return g
