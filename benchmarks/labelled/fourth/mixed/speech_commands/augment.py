import numpy as np


def rms(x):
    return np.sqrt(np.mean(np.square(x)))  # SAFE: numpy, argument not negative, no gradient


def mix_noise(wav, noise, snr_db):
    """Adds noise at the wanted signal to noise ratio; silent clips are returned as they are."""
    s, n = rms(wav), rms(noise)
    if s < 1e-5 or n < 1e-5:
        return wav
    scale = s / n / 10.0 ** (snr_db / 20.0)  # SAFE: silent noise returns before
    return np.clip(wav + scale * noise, -1.0, 1.0).astype(np.float32)


def peak_normalise(wav):
    return wav / max(np.abs(wav).max(), 1e-3)  # SAFE: floored peak


def shift(wav, rng, limit=1600):
    return np.roll(wav, rng.integers(-limit, limit + 1))
