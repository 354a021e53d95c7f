from types import SimpleNamespace

BASE = dict(
    patch=32,
    batch=16,
    width=16,
    lr=0.01,
    momentum=0.9,
    epochs=30,
    hu_window=None,
    pos_fraction=0.25,
    workdir="work/base",
)

EXPERIMENTS = {
    "lung_window": dict(hu_window=(-1000.0, 400.0), workdir="work/lung"),
    "wide": dict(width=32, workdir="work/wide"),
    "adam": dict(hu_window=(-1000.0, 400.0), lr=3e-4, momentum=None, workdir="work/adam"),
}


def get(name="wide"):
    cfg = dict(BASE)
    cfg.update(EXPERIMENTS.get(name, {}))
    return SimpleNamespace(**cfg)
