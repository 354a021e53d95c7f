import json
from types import SimpleNamespace


def defaults():
    return SimpleNamespace(
        sample_rate=8000, seconds=4.0, n_src=2,
        filters=64, kernel=16, bottleneck=32, hidden=64, blocks=3, repeats=2,
        eps=1e-8, amin=1e-10, top_db=80.0, sisdr_clip=30.0,
        lr=1e-3, clip=5.0, patience=3, epochs=100, batch=4,
    )


def load(path=None):
    hp = defaults()
    if path:
        with open(path) as fh:
            vars(hp).update(json.load(fh))
    if hp.eps <= 0 or hp.amin <= 0:
        raise ValueError("eps and amin must be positive")
    return hp
