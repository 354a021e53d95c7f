"""Experiment settings; one dictionary per published table row."""

COMMON = {
    "n_users": 6040,
    "n_items": 3706,
    "batch_size": 1024,
    "epochs": 30,
    "l2": 1e-6,
    "global_mean": 3.58,
}

MODELS = {
    "svd": {
        "dim": 32,
        "factor_init": "zeros",  # MAYBE: shows in models.py
        "bias_init": "zeros",
        "optimizer": "sgd",
        "lr": 1.0,  # MAYBE: shows in models.py
        "loss_reduction": "sum",
    },
    "ncf": {
        "dim": 32,
        "factor_init": "he_normal",
        "bias_init": "zeros",
        "hidden": [64, 32],
        "optimizer": "adam",
        "lr": 1e-3,
        "loss_reduction": "sum_over_batch_size",
    },
}


def get(name):
    cfg = dict(COMMON)
    cfg.update(MODELS[name])
    cfg["name"] = name
    return cfg
