from dataclasses import dataclass


@dataclass
class Settings:
    vocab_size: int = 16000
    max_len: int = 64
    d_model: int = 256
    n_heads: int = 4
    n_layers: int = 4
    d_ff: int = 1024
    dropout: float = 0.1
    mask_rate: float = 0.15
    batch_size: int = 256
    peak_lr: float = 3e-4
    warmup_steps: int = 4000
    total_steps: int = 200000
    policy: str = "mixed_float16"
    attn_fill: float = -1e9
    norm_eps: float = 1e-3
    clip_norm: float = 1.0

    def __post_init__(self):
        if self.d_model % self.n_heads:
            raise ValueError("d_model must be divisible by n_heads")
        if self.warmup_steps < 1 or self.total_steps <= self.warmup_steps:
            raise ValueError("bad schedule")


PAD, CLS, SEP, MASK, UNK = range(5)
N_SPECIAL = 5
