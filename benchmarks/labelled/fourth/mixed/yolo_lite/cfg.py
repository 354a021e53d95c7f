import json
from types import SimpleNamespace

DEFAULTS = {
    "image": 64,
    "grid": 8,
    "boxes": 2,
    "classes": 4,
    "box_activation": "linear",
    "lambda_coord": 5.0,
    "lambda_noobj": 0.5,
    "focal_gamma": 2.0,
    "lr": 1e-3,
    "batch": 16,
    "steps": 3000,
}


def load(path=None):
    values = dict(DEFAULTS)
    if path:
        with open(path) as f:
            values.update(json.load(f))
    return SimpleNamespace(**values)
