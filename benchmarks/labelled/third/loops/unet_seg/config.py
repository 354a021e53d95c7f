import dataclasses


@dataclasses.dataclass
class Config:
    image_size: int = 384
    batch_size: int = 4
    base_filters: int = 16
    lr: float = 3e-4
    dice_weight: float = 0.5
    policy: str = "mixed_float16"
    epochs: int = 80
    root: str = "/data/polyps"


CFG = Config()
