from dataclasses import dataclass, field
from typing import Tuple


@dataclass
class Config:
    data_dir: str = "data/faces64"
    image_size: int = 64
    latent_dim: int = 128
    channels: Tuple[int, ...] = field(default_factory=lambda: (32, 64, 128))
    beta: float = 1.0
    kl_warmup_steps: int = 2000
    learning_rate: float = 1e-3
    clipnorm: float = 5.0
    batch_size: int = 64
    epochs: int = 40
    out_dir: str = "runs/vae"
