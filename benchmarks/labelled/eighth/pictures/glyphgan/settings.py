"""Run settings for the glyph GAN."""
from dataclasses import dataclass, field


@dataclass
class DataCfg:
    npz: str = "data/glyphs_48.npz"
    side: int = 48
    batch: int = 64


@dataclass
class GenCfg:
    latent: int = 96
    base: int = 64
    mode: str = "saturating"


@dataclass
class DiscCfg:
    base: int = 64
    leak: float = 0.2
    dropout: float = 0.25


@dataclass
class RunCfg:
    data: DataCfg = field(default_factory=DataCfg)
    gen: GenCfg = field(default_factory=GenCfg)
    disc: DiscCfg = field(default_factory=DiscCfg)
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    steps: int = 60000
    log_every: int = 200
    ckpt_dir: str = "ckpt/glyphs"
    seed: int = 7
