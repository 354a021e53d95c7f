from dataclasses import dataclass


@dataclass
class DataConfig:
    ratings: str = "data/ratings.csv"
    positive_from: float = 4.0
    negatives: int = 4
    batch_size: int = 1024


@dataclass
class ModelConfig:
    dim: int = 64
    tower: tuple = (128, 64)
    dropout: float = 0.2
    from_logits: bool = True
    bpr_weight: float = 1.0


@dataclass
class TrainConfig:
    lr: float = 1e-3
    epochs: int = 10
    mode: str = "pointwise"
