"""Experiment settings for the polyp segmentation runs."""
from dataclasses import dataclass, field
from typing import Tuple


@dataclass
class DataConfig:
    root: str = "data/kvasir"
    image_size: Tuple[int, int] = (256, 256)
    batch_size: int = 8
    val_fraction: float = 0.1


@dataclass
class LossConfig:
    dice_weight: float = 0.7
    bce_weight: float = 0.3
    dice_smooth: float = 0.0
    tversky_alpha: float = 0.3
    focal_gamma: float = 2.0
    loss: str = "dice_bce"


@dataclass
class TrainConfig:
    epochs: int = 60
    lr: float = 1e-4
    weight_decay: float = 1e-5
    seed: int = 7
    logdir: str = "runs/polyp"


@dataclass
class Config:
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def get_config():
    return Config()
