"""Experiment settings for the nuclei segmentation runs."""
from dataclasses import dataclass, field, asdict
import json


@dataclass
class LossConfig:
    tversky_alpha: float = 0.3
    tversky_beta: float = 0.7
    smooth: float = 1.0
    focal_gamma: float = 0.5
    focal_weight: float = 0.4
    void_label: int = 255
    distance_sigma: float = 5.0


@dataclass
class DataConfig:
    root: str = "data/stage1"
    crop: int = 128
    batch_size: int = 8
    low_pct: float = 1.0
    high_pct: float = 99.0


@dataclass
class TrainConfig:
    epochs: int = 60
    lr: float = 3e-4
    clip_norm: float = 5.0
    out_dir: str = "runs/unet"
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)

    def dump(self, path):
        with open(path, "w") as fh:
            json.dump(asdict(self), fh, indent=2)
