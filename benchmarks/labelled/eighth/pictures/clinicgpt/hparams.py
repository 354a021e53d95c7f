import dataclasses


@dataclasses.dataclass(frozen=True)
class HP:
    vocab: int = 4096
    ctx: int = 256
    dim: int = 256
    heads: int = 4
    depth: int = 6
    drop: float = 0.1
    batch: int = 32
    peak_lr: float = 6e-4
    warm: int = 1000
    steps: int = 60000
    policy: str = "mixed_float16"
    neg: float = -1e9
    pad: int = 0
    bos: int = 1
