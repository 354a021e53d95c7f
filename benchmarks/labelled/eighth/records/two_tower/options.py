from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    user_fields: tuple = ("user_id", "country", "device")
    item_fields: tuple = ("item_id", "category", "seller")
    buckets: int = 200_000
    embed: int = 32
    tower: tuple = (128, 64)
    temperature: float = 0.05
    batch: int = 4096
    epochs: int = 5
    lr: float = 0.02
    train_days: int = 28
    clicks: str = "clicks/*.csv.gz"
    items: str = "items.csv"


OPTIONS = Options()
