"""Run settings for the weekly demand model."""
from dataclasses import dataclass, field
from typing import List


@dataclass
class Settings:
    context: int = 12
    horizon: int = 4
    hidden: int = 64
    layers: int = 2
    batch_size: int = 256
    epochs: int = 30
    learning_rate: float = 8e-4
    clip_norm: float = 5.0
    min_dispersion: float = 1e-3
    calendar_columns: List[str] = field(default_factory=lambda: ["week_sin", "week_cos", "promo"])
    seed: int = 20
    model_dir: str = "runs/demand"
