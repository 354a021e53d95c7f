import math
import numpy as np


def linear_betas(timesteps, start=1e-4, end=2e-2):
    scale = 1000 / timesteps
    return np.clip(np.linspace(scale * start, scale * end, timesteps, dtype=np.float64), 0, 0.999)


def cosine_betas(timesteps, s=0.008, max_beta=1.0):
    """Nichol & Dhariwal, squared cosine."""
    x = np.arange(timesteps + 1, dtype=np.float64) / timesteps
    f = np.cos((x + s) / (1 + s) * math.pi / 2) ** 2
    f = f / f[0]  # SAFE: f[0] = cos(0.0125)**2, close to 1
    betas = 1 - f[1:] / f[:-1]  # SAFE: only the very last f is 0 and it is never in the denominator
    return np.clip(betas, 0.0, max_beta)


SCHEDULES = {"linear": linear_betas, "cosine": cosine_betas}


def get_betas(name, timesteps):
    return SCHEDULES[name](timesteps)
