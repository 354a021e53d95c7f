import argparse
import numpy as np
import tensorflow as tf
from corpus import load, balance
from models import MODELS


def roc(y, s):
    o = np.argsort(-s)
    p = (y[o] > 0).astype("float64")
    tpr = np.cumsum(p) / max(p.sum(), 1.0)  # SAFE: positives floored at one
    fpr = np.cumsum(1 - p) / max((1 - p).sum(), 1.0)  # SAFE: negatives floored at one
    return fpr, tpr


def tpr_at(y, s, fpr_limit=0.01):
    f, t = roc(y, s)
    return float(t[f <= fpr_limit].max(initial=0.0))


def mcc(y, s):
    a, b = y > 0, s > 0
    tp, tn, fp, fn = (a & b).sum(), (~a & ~b).sum(), (~a & b).sum(), (a & ~b).sum()
    d = np.sqrt(float(tp + fp) * float(tp + fn) * float(tn + fp) * float(tn + fn))
    return float((tp * tn - fp * fn) / d) if d else 0.0  # SAFE: conditional on the denominator


def fit(model, x, h, y, epochs=5, batch=256, lr=1e-3, seed=0):
    opt = tf.keras.optimizers.Adam(lr)
    ds = tf.data.Dataset.from_tensor_slices((x, h, y, balance(y))).shuffle(len(y), seed=seed).batch(batch)
    hist = []
    for _ in range(epochs):
        m = tf.keras.metrics.Mean()
        for a, b, t, w in ds:
            with tf.GradientTape() as tape:
                loss = model.objective(t, model((a, b)), w)
            v = model.trainable_variables
            opt.apply_gradients(zip(tape.gradient(loss, v), v))
            m.update_state(loss)
        hist.append(float(m.result()))
    return hist


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="urls_train.tsv")
    p.add_argument("--test", default="urls_test.tsv")
    p.add_argument("--model", choices=sorted(MODELS), default="cnn")
    p.add_argument("--epochs", type=int, default=10)
    a = p.parse_args()
    model = MODELS[a.model]()
    print(fit(model, *load(a.train), epochs=a.epochs))
    x, h, y = load(a.test)
    s = np.concatenate([model((x[k:k + 512], h[k:k + 512])).numpy() for k in range(0, len(x), 512)])
    print("TPR@1%%FPR %.3f MCC %.3f" % (tpr_at(y, s), mcc(y, s)))
    model.save_weights(a.model + ".weights.h5")


if __name__ == "__main__":
    main()
