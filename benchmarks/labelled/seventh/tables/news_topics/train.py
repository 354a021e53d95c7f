import argparse
import os

import keras
import numpy as np

import data
from config import HPARAMS
from model import build


class MacroF1(keras.callbacks.Callback):

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_epoch_end(self, epoch, logs=None):
        p = self.model.predict(self.x, verbose=0)["topic"].argmax(1)
        t = self.y["topic"].argmax(1)
        scores = []
        for c in range(self.y["topic"].shape[1]):
            tp = np.sum((p == c) & (t == c))
            precision = tp / max(np.sum(p == c), 1)  # SAFE: max with one
            recall = tp / max(np.sum(t == c), 1)  # SAFE: max with one
            scores.append(2 * precision * recall / (precision + recall + 1e-9))  # SAFE: epsilon
        print(" macro-f1 %.4f" % np.mean(scores))


def compile_model(model, hp):
    model.compile(
        optimizer=keras.optimizers.Adam(hp["lr"], clipnorm=1.0),
        loss=hp["losses"],  # MAYBE: the losses meet the wrong outputs here, see model.py
        loss_weights=hp["loss_weights"],
        metrics={"topic": "accuracy", "urgent": "accuracy"},
    )
    return model


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="train.jsonl")
    ap.add_argument("--valid", default="valid.jsonl")
    ap.add_argument("--out", default="runs/topics")
    args = ap.parse_args()
    hp = dict(HPARAMS)
    os.makedirs(args.out, exist_ok=True)
    rows, vrows = data.read_jsonl(args.train), data.read_jsonl(args.valid)
    vocab = data.Vocabulary([r["text"] for r in rows], hp["vocab"])
    x, xv = (vocab.encode([r["text"] for r in rs], hp["max_len"]) for rs in (rows, vrows))
    y, yv = data.targets(rows), data.targets(vrows)
    model = compile_model(build(hp), hp)
    model.summary()
    model.fit(x, y, batch_size=hp["batch_size"], epochs=hp["epochs"], validation_data=(xv, yv),
              callbacks=[MacroF1(xv, yv),
                         keras.callbacks.ModelCheckpoint(os.path.join(args.out, "m.keras"), save_best_only=True),
                         keras.callbacks.CSVLogger(os.path.join(args.out, "log.csv"))])


if __name__ == "__main__":
    main()
