"""Columns of the CFD sweep table and network presets."""

# name, unit, typical range
INPUTS = [
    ("reynolds", "-", (5.0e5, 9.0e6)),
    ("mach", "-", (0.1, 0.75)),
    ("alpha", "deg", (-4.0, 14.0)),
    ("pressure", "Pa", (26000.0, 101325.0)),
    ("thickness", "-", (0.06, 0.21)),
]
OUTPUTS = ["cl", "cd", "cm"]

PRESETS = {
    "standard": {
        "hidden": (64, 64, 64),
        "activation": "tanh",
        "kernel_init": "zeros",
        "optimizer": ("sgd", 0.01),
    },
    "small": {
        "hidden": (32, 32),
        "activation": "relu",
        "kernel_init": "he_normal",
        "optimizer": ("sgd", 0.01),
    },
    "relu": {
        "hidden": (64, 64),
        "activation": "relu",
        "kernel_init": "he_normal",
        "optimizer": ("adam", 1e-3),
    },
}
DRAG_FLOOR = 1e-4
