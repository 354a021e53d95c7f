import math
import os

import numpy as np
import tensorflow as tf

import net
import pipeline
from config import section


def cosine_restarts(epochs, restarts, lr, min_lr):
    period = max(1, math.ceil(epochs / max(restarts, 1)))  # SAFE: maximum with 1

    def schedule(epoch, _):
        t = (epoch % period) / period  # SAFE: period is at least 1
        return min_lr + 0.5 * (lr - min_lr) * (1.0 + math.cos(math.pi * t))
    return schedule


class EpochEntropy(tf.keras.metrics.Metric):
    """Mean predictive entropy in bits."""

    def __init__(self, name="entropy", **kw):
        super().__init__(name=name, **kw)
        self.total = self.add_weight(name="total", shape=(), initializer="zeros")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        p = tf.clip_by_value(y_pred, 1e-7, 1.0)
        ent = -tf.reduce_sum(p * tf.math.log(p), axis=-1) / math.log(2.0)  # SAFE: clipped to at least 1e-7
        self.total.assign_add(tf.reduce_sum(ent))
        self.count.assign_add(tf.cast(tf.size(ent), tf.float32))

    def result(self):
        return tf.math.divide_no_nan(self.total, self.count)  # SAFE: divide_no_nan before the first batch


def smoothed_ce(eps):
    def loss(y_true, y_pred):
        n = tf.cast(tf.shape(y_true)[-1], y_pred.dtype)
        y = (1.0 - eps) * tf.cast(y_true, y_pred.dtype) + eps / n  # SAFE: the number of classes is at least 1
        return tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=y_pred)  # BUG: loss-pairing, the head of net.build is softmax (config), so softmax is applied twice and the gradient dies
    return loss


def compile_model(model, cfg):
    model.compile(
        optimizer=tf.keras.optimizers.Adam(cfg["lr"]),
        loss=smoothed_ce(cfg["label_smoothing"]),
        metrics=["accuracy", EpochEntropy()])
    return model


def class_report(model, ds, names):
    n = len(names)
    cm = np.zeros((n, n), np.int64)
    for x, y in ds:
        p = model.predict_on_batch(x).argmax(1)
        np.add.at(cm, (y.numpy().argmax(1), p), 1)
    recall = np.diag(cm) / np.maximum(cm.sum(1), 1)  # SAFE: maximum with 1
    for name, r in zip(names, recall):
        print(f"{name:12s} {r:.3f}")
    return cm


def main():
    cfg = section("train")
    train, val, names = pipeline.datasets()
    model = compile_model(net.build(len(names)), cfg)
    os.makedirs(os.path.dirname(cfg["ckpt"]), exist_ok=True)
    model.fit(train, validation_data=val, epochs=cfg["epochs"], callbacks=[
        tf.keras.callbacks.LearningRateScheduler(
            cosine_restarts(cfg["epochs"], cfg["restarts"], cfg["lr"], cfg["min_lr"])),
        tf.keras.callbacks.ModelCheckpoint(cfg["ckpt"], monitor="val_accuracy", save_best_only=True)])
    class_report(model, val, names)


if __name__ == "__main__":
    main()
