from dataclasses import dataclass


@dataclass
class SACConfig:
    env: str = "HalfCheetah-v4"
    hidden: int = 256
    gamma: float = 0.99
    tau: float = 0.005
    lr: float = 3e-4
    alpha_lr: float = 3e-4
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    batch: int = 256
    start: int = 10_000
    steps: int = 1_000_000
    squash_eps: float = 1e-6
    algo: str = "sac"
