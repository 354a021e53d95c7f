"""Hyper parameters for the SAC experiments (see table 1 of the report)."""
from dataclasses import dataclass, field
from typing import Tuple


@dataclass
class SACConfig:
    env_id: str = "Hopper-v4"
    seed: int = 0
    total_steps: int = 1_000_000
    start_steps: int = 10_000
    batch_size: int = 256
    replay_size: int = 1_000_000
    gamma: float = 0.99
    tau: float = 0.005
    actor_lr: float = 3e-4
    critic_lr: float = 3e-4
    alpha_lr: float = 3e-4
    hidden: Tuple[int, ...] = field(default_factory=lambda: (256, 256))
    log_std_min: float = -20.0
    log_std_max: float = 2.0
    squash_eps: float = 1e-10
    obs_clip: float = 10.0
    eval_every: int = 5_000
    logdir: str = "runs/sac"
