"""Defaults merged with the JSON given on the command line."""
import json

DEFAULTS = {
    "graph": {"self_loops": False, "symmetric": False, "max_km": 2.5},
    "model": {"hidden": 64, "layers": 3, "dropout": 0.3, "kind": "gcn"},
    "train": {"lr": 5e-3, "weight_decay": 5e-4, "epochs": 300, "patience": 40},
    "data": {"stops": "stops.csv", "edges": "edges.csv", "demand": "demand.csv"},
}


def merged(path=None):
    cfg = {k: dict(v) for k, v in DEFAULTS.items()}
    if path:
        with open(path) as fh:
            for k, v in json.load(fh).items():
                cfg[k].update(v)
    return cfg
