"""Run configuration of the ticket-routing student."""
import json
import logging
import os

DEFAULTS = {
    "compute": "mixed_float16",
    "teacher_probs": "teacher/probs.npy",
    "tickets": "tickets/encoded.npz",
    "queues": 180,
    "vocab": 30000,
    "length": 96,
    "dim": 96,
    "blocks": 3,
    "temperature": 2.0,
    "hard_weight": 0.3,
    "smooth": 1e-8,
    "lr": 6e-4,
    "batch": 256,
    "epochs": 10,
}


def load(path=None):
    cfg = dict(DEFAULTS)
    if path:
        with open(path) as fh:
            extra = json.load(fh)
        unknown = set(extra) - set(cfg)
        if unknown:
            raise KeyError("unknown settings %s" % sorted(unknown))
        cfg.update(extra)
    if not 0.0 <= cfg["hard_weight"] <= 1.0 or cfg["temperature"] < 1.0:
        raise ValueError("hard_weight or temperature out of range")
    return cfg


def logger(folder):
    os.makedirs(folder, exist_ok=True)
    log = logging.getLogger("distil")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler())
    log.addHandler(logging.FileHandler(os.path.join(folder, "train.log")))
    return log
