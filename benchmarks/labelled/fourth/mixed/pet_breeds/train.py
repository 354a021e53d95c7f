import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from config import CFG
from data import class_weights, list_images, make_dataset
from model import build_model


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, base, warmup):
        self.base = base
        self.warmup = warmup

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        decay = tf.math.rsqrt(tf.maximum(step, 1.0) / self.warmup)  # SAFE: step floored at 1, warmup is 200
        return self.base * tf.minimum(step / self.warmup, decay)

    def get_config(self):
        return {"base": self.base, "warmup": self.warmup}


def compile_model(model):
    opt = keras.optimizers.AdamW(Warmup(CFG.base_lr, CFG.warmup_steps), weight_decay=CFG.weight_decay)
    model.compile(
        optimizer=opt,
        loss=keras.losses.CategoricalCrossentropy(from_logits=CFG.logits, label_smoothing=CFG.label_smoothing),  # BUG: loss-pairing, the members end in softmax and the average of probabilities is taken as logits
        metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(5)],
    )
    return model


def entropy_report(model, ds):
    ents = []
    for x, _ in ds:
        p = model(x, training=False).numpy()
        ents.append(-(p * np.log(p + 1e-9)).sum(-1))  # SAFE: report only and guarded with 1e-9
    return float(np.concatenate(ents).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default=CFG.data_dir)
    ap.add_argument("--epochs", type=int, default=CFG.epochs)
    args = ap.parse_args()
    keras.utils.set_random_seed(CFG.seed)

    paths, labels = list_images(args.data)
    idx = np.random.permutation(len(paths))
    cut = int(0.9 * len(idx))
    tr, va = idx[:cut], idx[cut:]
    train_ds = make_dataset(paths[tr], labels[tr], True)
    val_ds = make_dataset(paths[va], labels[va], False)

    model = compile_model(build_model())
    os.makedirs(os.path.dirname(CFG.ckpt), exist_ok=True)
    model.fit(
        train_ds, validation_data=val_ds, epochs=args.epochs,
        class_weight=class_weights(labels[tr], CFG.num_classes),
        callbacks=[keras.callbacks.ModelCheckpoint(CFG.ckpt, save_best_only=True, save_weights_only=True),
                   keras.callbacks.EarlyStopping(patience=5)],
    )
    print("val entropy", entropy_report(model, val_ds))


if __name__ == "__main__":
    main()
