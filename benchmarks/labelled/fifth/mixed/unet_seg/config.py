"""Settings for the nuclei segmentation experiment."""
from dataclasses import dataclass, field


@dataclass
class LossConfig:
    bce_weight: float = 0.5
    dice_weight: float = 0.5
    smooth: float = 0.0
    tversky_smooth: float = 1.0
    alpha: float = 0.7
    gamma: float = 0.75
    clip: float = 1e-6


@dataclass
class Config:
    image_size: int = 128
    channels: int = 3
    base_filters: int = 16
    depth: int = 3
    batch_size: int = 8
    epochs: int = 60
    lr: float = 3e-4
    warmup_epochs: int = 2
    data_root: str = "data/nuclei"
    out_dir: str = "runs/unet"
    seed: int = 3
    loss: LossConfig = field(default_factory=LossConfig)


def get_config():
    return Config()
