from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    csv: str = "data/telco.csv"
    target: str = "Churn"
    test_fraction: float = 0.2
    winsor: float = 0.01
    min_std: float = 1e-4
    mix_alpha: float = 0.4
    hidden: tuple = (64, 32)
    gamma: float = 2.0
    label_smooth: float = 0.02
    lr: float = 2e-3
    pct_start: float = 0.3
    epochs: int = 40
    batch: int = 64
    calibrate_steps: int = 200
    seed: int = 5
