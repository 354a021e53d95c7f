"""Trains the program of a rule's page on generated data and measures what it learned.

Nothing is downloaded: the loaders of `keras.datasets` give generated pictures instead. Weights, data and
their order come from one seed, so two programs that are compared see the same.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from tensorflow_run import namespace

tf1 = tf.compat.v1
Array = np.ndarray[Any, Any]
Names = dict[str, Any]
#: Of the outputs for fresh examples and their labels; not finite where an output is not.
Measure = Callable[[Array, Array], float]
#: How many examples there are to train with, and to measure with.
TRAIN, FRESH = 2048, 512


@dataclass(frozen=True, slots=True)
class Data:
    """Examples to train with, and others of the same kind to measure with."""

    name: str
    x: Array
    y: Array
    fresh_x: Array
    fresh_y: Array

    def map(self, x: Callable[[Array], Array] = np.asarray, y: Callable[[Array], Array] = np.asarray) -> Data:
        """The same examples, written otherwise."""
        return replace(self, x=x(self.x), y=y(self.y), fresh_x=x(self.fresh_x), fresh_y=y(self.fresh_y))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was measured by, and how it came to be; the number is an error's name where it stopped."""

    number: float | str
    data: str
    steps: int


def _halves(name: str, x: Array, y: Array) -> Data:
    return Data(f"{TRAIN} {name}", x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])


@functools.cache
def digits(seed: int) -> Data:
    """Ten classes of pictures: (n, 28, 28) uint8 from 0 to 255 and (n,) uint8 labels.

    A class has four blots at places of its own. Those of an example lie up to two pixels aside and differ in
    ink, among two more that stand anywhere; the paper is black, as it is in MNIST. A softmax regression
    gets 9 of 10 right, as it does there.
    """
    places = np.random.default_rng(7).uniform(5, 23, size=(10, 4, 2))
    random = np.random.default_rng(seed)
    count = TRAIN + FRESH
    labels = random.integers(0, 10, count)
    drawn = places[labels] + random.integers(-2, 3, size=(count, 1, 2))
    centres = np.concatenate([drawn, random.uniform(2, 26, size=(count, 2, 2))], axis=1)
    ink = random.uniform(0.3, 1.0, size=(count, 6))
    line = np.arange(28)
    down = np.exp(-((line - centres[..., :1]) ** 2) / 4)
    across = np.exp(-((line - centres[..., 1:]) ** 2) / 4)
    pictures = np.einsum("nb,nbi,nbj->nij", ink, down, across)
    pictures += np.abs(random.normal(0, 0.15, pictures.shape)) * (pictures > 0.02)
    return _halves("generated digits", (pictures.clip(0, 1) * 255).astype("uint8"), labels.astype("uint8"))


def pixels(seed: int) -> Data:
    """The digits as rows of 784 numbers from 0 to 255, float32."""
    rows = digits(seed).map(lambda x: x.reshape(-1, 784).astype("float32"))
    return replace(rows, name=f"{rows.name} in 0..255")


def scaled(seed: int) -> Data:
    """The digits as rows of 784 numbers in [0, 1], float32."""
    return digits(seed).map(lambda x: x.reshape(-1, 784).astype("float32") / 255)


def one_hot(seed: int) -> Data:
    """The scaled digits with one-hot labels."""
    return scaled(seed).map(y=lambda y: np.eye(10, dtype="float32")[y])


def features(width: int, target: Callable[[Array], Array]) -> Callable[[int], Data]:
    """Rows of `width` standard normal numbers, float32, and what `target` makes of them."""

    def make(seed: int) -> Data:
        x = np.random.default_rng(seed).normal(size=(TRAIN + FRESH, width)).astype("float32")
        return _halves(f"generated rows of {width} features", x, target(x).astype("float32"))

    return make


def accuracy(outputs: Array, labels: Array) -> float:
    """The share of rows whose largest output, or whose one output above 0.5, is the label."""
    if not np.isfinite(outputs).all():
        return np.nan
    labels = labels.argmax(-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels
    chosen = outputs.argmax(-1) if outputs.ndim > 1 and outputs.shape[-1] > 1 else outputs > 0.5
    return float(np.mean(chosen.ravel() == labels.ravel()))


def squared_error(outputs: Array, targets: Array) -> float:
    """The mean squared error, in float64."""
    assert outputs.size == targets.size
    return float(np.mean((outputs.ravel().astype("float64") - targets.ravel()) ** 2))


def log_loss(outputs: Array, labels: Array) -> float:
    """The mean of -log of the share that the right class has of each row's sum, in float64."""
    right = outputs[np.arange(len(labels)), labels.argmax(-1)].astype("float64")
    return float(np.mean(-np.log(np.maximum(right / outputs.sum(-1), 1e-7))))


@contextlib.contextmanager
def world(seed: int) -> Iterator[None]:
    """Seeds and generated pictures, silence, and afterwards the usual precision."""
    pictures = digits(seed)
    loader = mock.Mock(return_value=((pictures.x, pictures.y), (pictures.fresh_x, pictures.fresh_y)))
    with contextlib.ExitStack() as stack:
        for datasets in (keras.datasets, tf.keras.datasets):
            for name in ("mnist", "fashion_mnist"):
                stack.enter_context(mock.patch.object(getattr(datasets, name), "load_data", loader))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.callback(keras.config.set_dtype_policy, "float32")
        keras.utils.set_random_seed(seed)
        yield


def execute(text: str, *, v1: bool = False) -> Names:
    """The names that a program leaves behind."""
    names = namespace(v1)
    exec(compile(text, "<program>", "exec"), names)
    return names


@dataclass(frozen=True, slots=True)
class Fit:
    """Fits the compiled `model` of a program that only makes it."""

    data: Callable[[int], Data]
    epochs: int
    measure: Measure

    def __call__(self, text: str, seed: int) -> Outcome:
        data = self.data(seed)
        with world(seed):
            model = execute(text)["model"]
            model.fit(data.x, data.y, epochs=self.epochs, verbose=0)
            number = self.measure(model.predict(data.fresh_x, verbose=0), data.fresh_y)
            return Outcome(number, data.name, self.epochs * -(-len(data.x) // 32))


@dataclass(frozen=True, slots=True)
class Whole:
    """Runs a program that trains on what it loads, or has; `measure` of its names."""

    measure: Callable[[Names], float]
    steps: Callable[[Names], int] = lambda names: int(names["model"].optimizer.iterations)
    data: str = f"{TRAIN} generated digits"

    def __call__(self, text: str, seed: int) -> Outcome:
        with world(seed):
            try:
                names = execute(text)
            except ValueError as error:
                return Outcome(type(error).__name__, self.data, 0)
            return Outcome(self.measure(names), self.data, self.steps(names))


@dataclass(frozen=True, slots=True)
class Loop:
    """Calls the `train_step` of a program with batches of 32, then its `model`."""

    data: Callable[[int], Data]
    steps: int
    measure: Measure

    def __call__(self, text: str, seed: int) -> Outcome:
        data, random = self.data(seed), np.random.default_rng(seed)
        with world(seed):
            names = execute(text)
            model = names["model"]
            model(data.x[:32])
            names["optimizer"].build(model.trainable_variables)
            step = tf.function(names["train_step"])
            for _ in range(self.steps):
                rows = random.integers(0, len(data.x), 32)
                step(data.x[rows], data.y[rows])
            number = self.measure(model(data.fresh_x).numpy(), data.fresh_y)
            return Outcome(number, data.name, self.steps)


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs the training op of a TensorFlow 1 program, then fetches `output`: for `alone`, row by row."""

    data: Callable[[int], Data]
    steps: int
    output: str
    measure: Measure
    train: str = "train"
    feeds: tuple[str, ...] = ("x", "y")
    batch: int = 32
    alone: bool = False

    def __call__(self, text: str, seed: int) -> Outcome:
        data, random = self.data(seed), np.random.default_rng(seed)
        with tf.Graph().as_default(), world(seed), tf1.Session() as session:
            tf1.set_random_seed(seed)
            names = execute(text, v1=True)
            session.run(tf1.global_variables_initializer())

            def run(op: str, x: Array, y: Array) -> Any:
                return session.run(names[op], dict(zip(map(names.get, self.feeds), (x, y), strict=False)))

            for _ in range(self.steps):
                rows = random.integers(0, len(data.x), self.batch)
                run(self.train, data.x[rows], data.y[rows])
            if self.alone:
                pairs = zip(data.fresh_x[:, None], data.fresh_y[:, None], strict=True)
                outputs = np.concatenate([run(self.output, x, y) for x, y in pairs])
            else:
                outputs = run(self.output, data.fresh_x, data.fresh_y)
        return Outcome(self.measure(outputs, data.fresh_y), data.name, self.steps)
