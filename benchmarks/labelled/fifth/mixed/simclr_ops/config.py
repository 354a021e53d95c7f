import dataclasses


@dataclasses.dataclass(frozen=True)
class Experiment:
    image_size: int = 32
    width: int = 32
    projection: int = 64
    batch_size: int = 128
    epochs: int = 100
    lr: float = 1e-3
    weight_decay: float = 1e-4
    temperature: float = 0.01
    margin: float = 0.5
    uniformity_t: float = 2.0
    uniformity_weight: float = 0.1
    triplet_weight: float = 0.2
    energy_weight: float = 0.01
    seed: int = 0


PRESETS = {
    "default": Experiment(),
    "long": Experiment(epochs=400, lr=5e-4),
    "wide": Experiment(width=64, projection=128),
}
