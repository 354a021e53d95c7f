import dataclasses

PAD = 0
BOS = 1
EOS = 2
MASK_VALUE = -1e9


@dataclasses.dataclass
class Hparams:
    vocab: int = 8000
    d_model: int = 256
    heads: int = 4
    layers: int = 4
    ff: int = 1024
    dropout: float = 0.1
    batch: int = 64
    max_len: int = 128
    warmup: int = 4000
    steps: int = 100000
    precision: str = "mixed_float16"
    label_smoothing: float = 0.1
