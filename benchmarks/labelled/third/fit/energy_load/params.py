"""Experiment parameters, overridden from the command line as key=value."""
import ast

DEFAULTS = {
    "csv": "load_hourly.csv",
    "lookback": 168,
    "horizon": 24,
    "units": 64,
    "dropout": 0.1,
    "objective": "mape",
    "optimizer": "adam",
    "lr": 1e-3,
    "batch": 64,
    "epochs": 50,
    "val_fraction": 0.15,
    "scaler": "minmax",
}


def parse(argv):
    p = dict(DEFAULTS)
    for a in argv:
        k, v = a.split("=", 1)
        if k not in p:
            raise KeyError(k)
        try:
            p[k] = ast.literal_eval(v)
        except (ValueError, SyntaxError):
            p[k] = v
    return p
