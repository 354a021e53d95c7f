import argparse
import numpy as np
import tensorflow as tf
from inputs import list_files, dataset
from network import build, balanced_ce


def make(counts, lr):
    model = build(len(counts))
    model.compile(tf.keras.optimizers.SGD(lr, momentum=0.9, nesterov=True), loss=balanced_ce(counts), metrics=["sparse_categorical_accuracy"])
    return model


def train(model, ds, val, epochs):
    cb = [tf.keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True, monitor="val_loss" if val is not None else "loss")]
    return model.fit(ds, validation_data=val, epochs=epochs, callbacks=cb, verbose=0)  # BUG: raw-data, resize already returned float32 so convert_image_dtype does not divide by 255; 0..255 pixels into a He-initialised net without batch norm at SGD 0.01 diverge


def multiclass_logloss(y, logits):
    z = logits - logits.max(1, keepdims=True)
    p = np.exp(z)  # SAFE: row maximum subtracted
    p = np.clip(p / p.sum(1, keepdims=True), 1e-15, 1.0)  # SAFE: each row contains exp(0) = 1
    return float(-np.mean(np.log(p[np.arange(len(y)), y])))  # SAFE: float probabilities clipped to 1e-15, evaluation


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="plankton/train")
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--batch", type=int, default=64)
    a = p.parse_args()
    files, labels, classes = list_files(a.root)
    idx = np.random.RandomState(0).permutation(len(files))
    k = int(0.9 * len(idx))
    pick = lambda s: ([files[i] for i in s], [labels[i] for i in s])
    model = make(np.bincount(labels, minlength=len(classes)), a.lr)
    va = pick(idx[k:])
    val = dataset(*va, a.batch, False)
    train(model, dataset(*pick(idx[:k]), a.batch, True), val, a.epochs)
    print(multiclass_logloss(np.array(va[1]), model.predict(val)))
    model.save("plankton.keras")


if __name__ == "__main__":
    main()
