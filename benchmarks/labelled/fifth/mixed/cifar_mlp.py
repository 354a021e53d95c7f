# coding: utf-8
# Assignment 2: compare a dense network and a small CNN on CIFAR-10
import os
import pickle
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import (Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten,
                                     GlobalAveragePooling2D, MaxPooling2D)
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import SGD, Adam
from tensorflow.keras.utils import to_categorical

np.random.seed(42)
tf.random.set_seed(42)

num_classes = 10
batch_size = 128
epochs = 30


def unpickle(file):
    with open(file, "rb") as fo:
        return pickle.load(fo, encoding="bytes")


def load_cifar(folder):
    xs, ys = [], []
    for i in range(1, 6):
        d = unpickle(os.path.join(folder, "data_batch_%d" % i))
        xs.append(d[b"data"])
        ys += d[b"labels"]
    t = unpickle(os.path.join(folder, "test_batch"))

    def img(a):
        return a.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return (img(np.concatenate(xs)), np.array(ys)), (img(t[b"data"]), np.array(t[b"labels"]))


def prepare(x, y):
    x = x.astype("float32")
    return x, to_categorical(y, num_classes)


def prepare_cnn(x, mean=None, std=None):
    x = x.astype("float32") / 255.0
    if mean is None:
        mean = x.mean(axis=(0, 1, 2))
        std = x.std(axis=(0, 1, 2))
    return (x - mean) / (std + 1e-5), mean, std  # SAFE: 1e-5 is added to the channel deviation


def build_dense():
    model = Sequential()
    model.add(Flatten(input_shape=(32, 32, 3)))
    model.add(Dense(512, activation="relu"))
    model.add(Dense(256, activation="relu"))
    model.add(Dense(num_classes, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer=SGD(learning_rate=0.05, momentum=0.9), metrics=["accuracy"])  # SAFE: softmax output with one-hot labels, probabilities are expected here
    return model


def build_cnn():
    model = Sequential()
    for f in (32, 64, 128):
        model.add(Conv2D(f, (3, 3), padding="same", use_bias=False))
        model.add(BatchNormalization())
        model.add(Activation("relu"))
        model.add(MaxPooling2D())
        model.add(Dropout(0.2))
    model.add(GlobalAveragePooling2D())
    model.add(Dense(num_classes))
    model.compile(loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # SAFE: the last layer is linear and the labels are integers
                  optimizer=Adam(1e-3), metrics=["accuracy"])
    return model


def whiten(x, eps=0.1):
    """ZCA for the appendix of the report."""
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(axis=0)
    cov = flat.T @ flat / max(len(flat) - 1, 1)  # SAFE: maximum with 1
    u, s, _ = np.linalg.svd(cov)
    w = u @ np.diag(1.0 / np.sqrt(s + eps)) @ u.T  # SAFE: singular values are not negative and 0.1 is added
    return (flat @ w).reshape(x.shape)


def softmax_np(logits):
    z = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(z)  # SAFE: the row maximum is subtracted
    return e / e.sum(axis=1, keepdims=True)  # SAFE: the sum is at least 1


def confusion(y_true, y_pred):
    m = np.zeros((num_classes, num_classes))
    for a, b in zip(y_true, y_pred):
        m[a, b] += 1
    return m / np.maximum(m.sum(axis=1, keepdims=True), 1)  # SAFE: maximum with 1


def train_dense(x_train, y_train, x_test, y_test, n_epochs=epochs):
    xt, yt = prepare(x_train, y_train)
    xv, yv = prepare(x_test, y_test)
    model = build_dense()
    hist = model.fit(xt, yt, batch_size=batch_size, epochs=n_epochs, validation_data=(xv, yv), verbose=2)  # BUG: raw-data, prepare() leaves the pixels at 0..255, with this rate the first steps kill all relu units
    return model, hist


def train_cnn(x_train, y_train, x_test, y_test, n_epochs=epochs):
    xt, mean, std = prepare_cnn(x_train)
    xv, _, _ = prepare_cnn(x_test, mean, std)
    model = build_cnn()
    hist = model.fit(xt, y_train, batch_size=batch_size, epochs=n_epochs, validation_data=(xv, y_test), verbose=2)
    return model, hist


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "cifar-10-batches-py"
    (x_train, y_train), (x_test, y_test) = load_cifar(folder)
    dense, h1 = train_dense(x_train, y_train, x_test, y_test)
    cnn, h2 = train_cnn(x_train, y_train, x_test, y_test)
    print("dense", h1.history["val_accuracy"][-1], "cnn", h2.history["val_accuracy"][-1])
    probs = softmax_np(cnn.predict(prepare_cnn(x_test)[0]))
    print(np.round(confusion(y_test, probs.argmax(1)), 2))
