from dataclasses import dataclass, field


@dataclass(frozen=True)
class TowerConfig:
    n_users: int = 200000
    n_items: int = 50000
    n_genres: int = 32
    max_history: int = 30
    dim: int = 64
    hidden: tuple = (128,)
    temperature: float = 0.05
    learn_temperature: bool = True
    rank_weight: float = 0.5
    lr: float = 1e-3
    batch: int = 1024
    epochs: int = 5
    half_life_days: float = 30.0
    metrics_at: tuple = field(default=(10, 50))

    def __post_init__(self):
        assert self.temperature > 0 and self.half_life_days > 0
        assert self.batch > 1
