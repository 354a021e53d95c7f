import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from distiller import Distiller
from nets import cifar_net, probabilities


def load():
    (x, y), (xt, yt) = keras.datasets.cifar10.load_data()
    return (x.astype("float32"), y[:, 0]), (xt.astype("float32"), yt[:, 0])  # SAFE: still 0..255, but cifar_net starts with a Rescaling layer


def pipeline(x, y, batch, training):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    if training:
        ds = ds.shuffle(10000).map(lambda a, b: (tf.image.random_flip_left_right(a), b))
    return ds.batch(batch).prefetch(2)


def train_teacher(ds, val, path, epochs):
    net = cifar_net((64, 128, 256), name="teacher")
    if os.path.exists(path):
        net.load_weights(path)
        return net
    head = keras.Model(net.input, net.output[1])
    head.compile(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),  # SAFE: 0.05 is usual with batch norm
                 keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])  # SAFE: output 1 is the linear logits layer
    head.fit(ds, validation_data=val, epochs=epochs,
             callbacks=[keras.callbacks.LearningRateScheduler(lambda e: 0.05 * 0.5 ** (e // 20))])
    net.save_weights(path)
    return net


def expected_calibration_error(prob, y, bins=15):
    conf, pred = prob.max(1), prob.argmax(1)
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for lo, hi in zip(edges[:-1], edges[1:]):
        m = (conf > lo) & (conf <= hi)
        if m.any():
            total += m.mean() * abs((pred[m] == y[m]).mean() - conf[m].mean())  # SAFE: means only of bins with members
    return total


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--temperature", type=float, default=4.0)
    ap.add_argument("--alpha", type=float, default=0.1)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--teacher", default="teacher.weights.h5")
    a = ap.parse_args()
    (x, y), (xt, yt) = load()
    ds, val = pipeline(x, y, a.batch, True), pipeline(xt, yt, a.batch, False)
    teacher = train_teacher(ds, val, a.teacher, a.epochs)
    student = cifar_net((16, 32, 64), name="student")
    d = Distiller(student, teacher, hint=keras.layers.Conv2D(256, 1))
    d.compile(keras.optimizers.Adam(1e-3), temperature=a.temperature, alpha=a.alpha)
    d.fit(ds, validation_data=val, epochs=a.epochs)
    prob = probabilities(student).predict(xt)
    print("ECE", expected_calibration_error(prob, yt))


if __name__ == "__main__":
    main()
