"""Hyperparameters, following the large minibatch recipe."""
import dataclasses


@dataclasses.dataclass
class Options:
    data_dir: str = "imagenette2-160"
    size: int = 96
    n_classes: int = 10
    global_batch: int = 256
    base_lr: float = 0.1
    momentum: float = 0.9
    warmup_epochs: int = 0
    epochs: int = 30
    label_smoothing: float = 0.1
    weight_decay: float = 5e-5

    @property
    def scaled_lr(self):
        return self.base_lr * self.global_batch
