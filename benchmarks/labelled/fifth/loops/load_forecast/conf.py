import json
from types import SimpleNamespace

DEFAULT = dict(
    history=168,
    horizon=24,
    units=48,
    batch=256,
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    epochs=40,
    quantiles=[0.1, 0.5, 0.9],
    out="load_out",
)


def load(path=None):
    c = dict(DEFAULT)
    if path:
        with open(path) as f:
            c.update(json.load(f))
    c = SimpleNamespace(**c)
    if any(not 0.0 < q < 1.0 for q in c.quantiles):
        raise ValueError("quantiles must be in (0, 1)")
    return c
