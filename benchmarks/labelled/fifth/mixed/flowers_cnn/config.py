CONFIG = {
    "data": {"root": "data/flower_photos", "size": 96, "batch": 32, "val_fraction": 0.15,
             "mixup_alpha": 0.2, "brightness": 0.15},
    "model": {"widths": [24, 48, 96], "classes": 5, "dropout": 0.3, "head": "softmax",
              "bn_eps": 1e-3},
    "train": {"epochs": 40, "lr": 1e-3, "min_lr": 1e-6, "restarts": 2, "label_smoothing": 0.1,
              "ckpt": "runs/flowers/best.keras"},
}


def section(name):
    return dict(CONFIG[name])
