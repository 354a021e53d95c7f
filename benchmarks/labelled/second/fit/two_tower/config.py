from dataclasses import dataclass


@dataclass
class Config:
    n_users: int = 6040
    n_items: int = 3953
    history: int = 30
    embedding: int = 48
    tower: tuple = (96, 48)
    temperature: float = 0.07
    batch_size: int = 512
    epochs: int = 10
    lr: float = 2e-3
    mixed_precision: bool = True
    norm_eps: float = 1e-12
    ratings: str = 'ml-1m/ratings.dat'
