import argparse
import os

import numpy as np
import tensorflow as tf

from corpus import Corpus
from reader import Objective, Reader, js


class Fit:
    def __init__(self, model, objective, lr):
        self.m, self.obj = model, objective
        self.opt = tf.keras.optimizers.Adam(lr, clipnorm=1.0)

    @tf.function
    def step(self, ids, target, y):
        with tf.GradientTape() as tape:
            logits, a = self.m(ids)
            loss = self.obj(y, logits, a, target)
        v = self.m.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    def evaluate(self, c, target, batch=256):
        ok, d = 0, []
        for i in range(0, len(c.y), batch):
            logits, a = self.m(c.ids[i:i + batch])
            ok += int(np.sum(np.argmax(logits, 1) == c.y[i:i + batch]))
            d.append(js(target[i:i + batch], a).numpy())
        return ok / max(len(c.y), 1), float(np.mean(np.concatenate(d))) if d else 0.0  # SAFE: number of texts floored at 1


def f1(pred, gold):
    tp = float((pred * gold).sum())
    return 2 * tp / max(float(pred.sum() + gold.sum()), 1.0)  # SAFE: floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="movies_train.jsonl")
    p.add_argument("--dev", default="movies_dev.jsonl")
    p.add_argument("--classes", type=int, default=2)
    p.add_argument("--guide", type=float, default=0.5)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--out", default="reader")
    a = p.parse_args()
    tr = Corpus.read(a.train)
    de = Corpus.read(a.dev, tr.vocab)
    model = Reader(len(tr.vocab), a.classes)
    fit = Fit(model, Objective(tr.class_weights(a.classes), a.guide), 1e-3)
    tt, td = tr.target_attention(), de.target_attention()
    ds = tf.data.Dataset.from_tensor_slices((tr.ids, tt, tr.y)).shuffle(5000).batch(a.batch)
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        l = np.mean([float(fit.step(*b)) for b in ds])
        acc, d = fit.evaluate(de, td)
        att = model(de.ids[:200])[1].numpy()
        print(ep, "loss %.4f acc %.4f js %.4f token-f1 %.3f" % (l, acc, d, f1(att > 1.0 / 64, de.rat[:200])))
        model.save_weights(os.path.join(a.out, "reader.weights.h5"))


if __name__ == "__main__":
    main()
