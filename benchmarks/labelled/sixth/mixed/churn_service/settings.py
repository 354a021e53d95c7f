import json
import os

DEFAULTS = {
    "features": ["tenure", "monthly", "total", "tickets", "logins"],
    "hidden": [32, 16],
    "dropout": 0.2,
    "output_activation": None,
    "loss": "binary_crossentropy",
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
    "batch_size": 128,
    "epochs": 30,
    "positive_weight": None,
}


def load(path=None):
    cfg = dict(DEFAULTS)
    if path and os.path.exists(path):
        with open(path) as f:
            cfg.update(json.load(f))
    return cfg
