from dataclasses import dataclass


@dataclass
class Settings:
    image_size: int = 32
    channels: int = 1
    z_dim: int = 64
    base: int = 32
    batch: int = 64
    steps: int = 30000
    g_lr: float = 2e-4
    d_lr: float = 2e-4
    beta_1: float = 0.5
    label_noise: float = 0.05
    smooth_real: float = 0.9
    r1_gamma: float = 1.0
    r1_every: int = 16
    ema: float = 0.999

    def __post_init__(self):
        if self.image_size % 8:
            raise ValueError("image_size must be a multiple of 8")
        if self.r1_every < 1:
            raise ValueError("r1_every must be positive")
