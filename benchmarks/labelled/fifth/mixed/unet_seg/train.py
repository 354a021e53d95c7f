import os

import tensorflow as tf

from config import get_config
from data import make_dataset
from losses import build_loss, hard_dice, iou_metric
from model import build_unet


class WarmupThenCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, base, warmup, total):
        super().__init__()
        self.base = base
        self.warmup = float(warmup)
        self.total = float(total)

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        up = step / tf.maximum(self.warmup, 1.0)  # SAFE: maximum with 1
        t = (step - self.warmup) / tf.maximum(self.total - self.warmup, 1.0)  # SAFE: maximum with 1
        down = 0.5 * (1.0 + tf.cos(3.14159265 * tf.clip_by_value(t, 0.0, 1.0)))
        return self.base * tf.where(step < self.warmup, up, down)


def main():
    cfg = get_config()
    tf.keras.utils.set_random_seed(cfg.seed)
    train_ds = make_dataset(cfg, "train", True)
    val_ds = make_dataset(cfg, "val", False)
    steps = int(train_ds.cardinality())

    model = build_unet(cfg)
    sched = WarmupThenCosine(cfg.lr, cfg.warmup_epochs * steps, cfg.epochs * steps)
    model.compile(optimizer=tf.keras.optimizers.Adam(sched, clipnorm=1.0),
                  loss=build_loss(cfg.loss), metrics=[hard_dice, iou_metric])
    os.makedirs(cfg.out_dir, exist_ok=True)
    model.fit(train_ds, validation_data=val_ds, epochs=cfg.epochs, callbacks=[
        tf.keras.callbacks.ModelCheckpoint(os.path.join(cfg.out_dir, "best.weights.h5"),
                                           save_best_only=True, save_weights_only=True),
        tf.keras.callbacks.CSVLogger(os.path.join(cfg.out_dir, "log.csv")),
    ])


if __name__ == "__main__":
    main()
