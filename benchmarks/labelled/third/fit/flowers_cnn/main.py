import os
import sys

import numpy as np
from tensorflow import keras

import cnn
import config
import input_pipeline


def count_files(folder):
    return [len(os.listdir(os.path.join(folder, c))) for c in config.CLASSES]


def per_class_report(model, ds):
    k = len(config.CLASSES)
    cm = np.zeros((k, k))
    for x, y in ds:
        p = model.predict_on_batch(x).argmax(1)
        np.add.at(cm, (np.argmax(y, 1), p), 1)
    recall = np.diag(cm) / np.maximum(cm.sum(1), 1)  # SAFE: row sums floored at 1
    precision = np.diag(cm) / np.maximum(cm.sum(0), 1)  # SAFE: column sums floored at 1
    f1 = 2 * precision * recall / (precision + recall + 1e-12)  # SAFE: evaluation in float64 with 1e-12 added
    for c, r, p, f in zip(config.CLASSES, recall, precision, f1):
        print("%-12s recall %.3f precision %.3f f1 %.3f" % (c, r, p, f))


def main(folder):
    train = input_pipeline.load(folder, "training")
    valid = input_pipeline.load(folder, "validation")
    model = cnn.compile_model(cnn.build())
    model.fit(train, validation_data=valid, epochs=config.TRAIN["epochs"],
              class_weight=input_pipeline.class_weights(count_files(folder)),
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=3),
                         keras.callbacks.ModelCheckpoint("flowers.keras", save_best_only=True)])
    per_class_report(model, valid)


if __name__ == "__main__":
    main(sys.argv[1])
