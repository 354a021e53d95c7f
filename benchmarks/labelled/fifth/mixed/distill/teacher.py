"""Cached teacher outputs.  Written once by dump(), read by the student training."""
import numpy as np


def softmax(z, t):
    z = z / t  # SAFE: settings.yaml has temperature 2.0
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)  # SAFE: the row maximum was subtracted
    return e / e.sum(axis=1, keepdims=True)  # SAFE: at least one term is 1


def dump(path, logits, features, temperature):
    probs = softmax(logits.astype("float32"), temperature)
    np.savez_compressed(path, probs=probs.astype("float16"), features=features.astype("float16"))


def load(path):
    with np.load(path) as f:
        return f["probs"].astype("float32"), f["features"].astype("float32")


def agreement(probs, labels):
    return float((probs.argmax(1) == labels).mean())
