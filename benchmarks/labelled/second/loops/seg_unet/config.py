from dataclasses import dataclass, field


@dataclass
class LossConfig:
    name: str = "focal_tversky"
    alpha: float = 0.7
    gamma: float = 0.75
    smooth: float = 1.0
    focal_gamma: float = 2.0
    boundary_weight: float = 0.2


@dataclass
class Config:
    image_size: int = 256
    batch_size: int = 8
    epochs: int = 60
    lr: float = 3e-4
    base_filters: int = 32
    depth: int = 4
    train_glob: str = "data/train/*.png"
    mask_dir: str = "data/masks"
    loss: LossConfig = field(default_factory=LossConfig)
