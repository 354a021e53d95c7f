"""Settings for the pet breed classifier."""
from dataclasses import dataclass


@dataclass
class Config:
    data_dir: str = "data/pets"
    image_size: int = 96
    num_classes: int = 37
    batch_size: int = 32
    epochs: int = 20
    base_lr: float = 1e-3
    weight_decay: float = 1e-5
    dropout: float = 0.3
    label_smoothing: float = 0.05
    num_members: int = 3
    logits: bool = True
    warmup_steps: int = 200
    seed: int = 17
    ckpt: str = "checkpoints/pets.weights.h5"


CFG = Config()
