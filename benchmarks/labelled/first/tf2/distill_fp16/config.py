import dataclasses


@dataclasses.dataclass(frozen=True)
class C:
    temperature: float = 4.0
    alpha: float = 0.1
    smoothing: float = 0.1
    lr: float = 1e-3
    batch: int = 256
    epochs: int = 30
    classes: int = 100
    fp16_eps: float = 1e-8
    eps: float = 1e-7
