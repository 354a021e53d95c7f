"""What layers, models, losses, optimizers, sessions, data and flags mean.

Shapes, ranges, losses and schedules are compared with the installed TensorFlow.
"""

from __future__ import annotations

import inspect
import itertools
import math
import os
from typing import Any

import libcst as cst
import numpy as np
import pytest

from tflint_nan.build import build
from tflint_nan.build.program import Program
from tflint_nan.graph import Graph
from tflint_nan.ops.configuration import start
from tflint_nan.ops.losses import KERAS as LOSSES_OF_KERAS
from tflint_nan.ops.losses import STRINGS as LOSS_STRINGS
from tflint_nan.ops.optimizers import STRINGS as OPTIMIZER_STRINGS
from tflint_nan.ops.table import APIS
from tflint_nan.rates import places
from tflint_nan.source import Source
from tflint_nan.value import NONE, UNKNOWN, Const, Function, Items, Object, Op, Symbol, Table, Value

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

IMPORTS = """
import argparse
import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.contrib import slim
from absl import flags
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.model_selection import train_test_split
"""


MNIST = "(a, b), (c, d) = keras.datasets.mnist.load_data()\n"
GENERATOR = "g = keras.preprocessing.image.ImageDataGenerator"
PARSER = "p = argparse.ArgumentParser()\n"


def read(text: str) -> Graph:
    return build(Source("case.py", IMPORTS + text), {})


def only(graph: Graph, *names: str) -> Op:
    found = list(graph.ops(*names))
    assert len(found) == 1, found
    return found[0]


def names(graph: Graph) -> list[str]:
    return [op.name for op in graph.ops()]


# ---- layers

#: A layer and the shape of its input, without the batch. `tf` computes the same with random weights.
LAYERS = [
    ("layers.Dense(5)", (4,)),
    ("layers.Dense(5, activation='softmax')", (3, 4)),
    ("layers.Dense(units=2, activation=tf.nn.sigmoid)", (4,)),
    ("layers.Dense(2, activation=keras.activations.tanh)", (4,)),
    ("layers.Dense(2, 'relu')", (4,)),
    ("layers.Conv1D(5, 3)", (8, 2)),
    ("layers.Conv2D(5, (3, 3), padding='same', activation='relu')", (8, 8, 2)),
    ("layers.Conv2DTranspose(5, 3, strides=2)", (8, 8, 2)),
    ("layers.SeparableConv2D(5, 3)", (8, 8, 2)),
    ("layers.MaxPooling2D()", (8, 8, 2)),
    ("layers.AveragePooling1D(2)", (8, 2)),
    ("layers.GlobalAveragePooling2D()", (8, 8, 2)),
    ("layers.GlobalMaxPooling1D()", (8, 2)),
    ("layers.GlobalMaxPooling1D(keepdims=True)", (8, 2)),
    ("layers.Flatten()", (8, 3, 2)),
    ("layers.Reshape((4, 2))", (8,)),
    ("layers.Reshape((-1, 2))", (8,)),
    ("layers.Permute((2, 1))", (8, 3)),
    ("layers.RepeatVector(3)", (8,)),
    ("layers.UpSampling2D(2)", (4, 4, 1)),
    ("layers.ZeroPadding2D(1)", (4, 4, 1)),
    ("layers.Cropping2D(1)", (4, 4, 1)),
    ("layers.BatchNormalization()", (4, 4, 1)),
    ("layers.LayerNormalization()", (4,)),
    ("layers.UnitNormalization()", (4,)),
    ("layers.Embedding(10, 6)", (4,)),
    ("layers.LSTM(5)", (4, 3)),
    ("layers.LSTM(5, return_sequences=True)", (4, 3)),
    ("layers.GRU(5)", (4, 3)),
    ("layers.SimpleRNN(5)", (4, 3)),
    ("layers.SimpleRNN(5, activation='relu')", (4, 3)),
    ("layers.RNN(layers.GRUCell(5))", (4, 3)),
    ("layers.RNN([layers.LSTMCell(4), layers.SimpleRNNCell(5)])", (4, 3)),
    ("layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(5)]))", (4, 3)),
    ("layers.ConvLSTM2D(3, 2)", (2, 4, 4, 1)),
    ("layers.ConvLSTM1D(3, 2, return_sequences=True)", (2, 4, 1)),
    ("layers.Bidirectional(layers.LSTM(5))", (4, 3)),
    ("layers.Bidirectional(layers.LSTM(5), merge_mode='sum')", (4, 3)),
    ("layers.TimeDistributed(layers.Dense(5, activation='sigmoid'))", (4, 3)),
    ("layers.TimeDistributed(layers.Flatten())", (4, 3, 2)),
    ("layers.TimeDistributed(layers.Conv2D(2, 2, activation='relu'))", (3, 4, 4, 1)),
    ("layers.TimeDistributed(layers.GlobalAveragePooling2D())", (3, 4, 4, 1)),
    ("layers.SpectralNormalization(layers.Dense(2, activation='tanh'))", (4,)),
    ("layers.EinsumDense('ab,bc->ac', 5, activation='sigmoid')", (4,)),
    ("layers.DepthwiseConv2D(2)", (4, 4, 2)),
    ("layers.Conv3D(2, 2)", (4, 4, 4, 1)),
    ("layers.Conv1DTranspose(2, 2)", (4, 3)),
    ("layers.GroupNormalization(2)", (4, 4)),
    ("layers.RMSNormalization()", (4,)),
    ("layers.AdaptiveAveragePooling2D(2)", (4, 4, 3)),
    ("layers.AdaptiveMaxPooling1D(2)", (4, 3)),
    ("layers.AveragePooling3D(2)", (4, 4, 4, 1)),
    ("layers.GlobalMaxPooling2D()", (4, 4, 3)),
    ("layers.Cropping3D(1)", (4, 4, 4, 1)),
    ("layers.ZeroPadding1D(2)", (4, 3)),
    ("layers.UpSampling2D(2, interpolation='bilinear')", (4, 4, 1)),
    ("layers.UpSampling2D(2, interpolation='bicubic')", (4, 4, 1)),
    ("layers.UpSampling2D(3, interpolation='lanczos5')", (4, 4, 1)),
    ("layers.UpSampling2D(2, interpolation='lanczos3')", (4, 4, 1)),
    ("layers.Attention()", (4, 3)),
    ("layers.AdditiveAttention()", (4, 3)),
    ("layers.GroupQueryAttention(4, 4, 2)", (4, 3)),
    ("layers.PReLU()", (4,)),
    ("layers.PReLU('ones')", (4,)),
    ("layers.Masking(0.25)", (4, 3)),
    ("layers.GaussianNoise(1.0)", (4,)),
    ("layers.GaussianDropout(0.3)", (4,)),
    ("layers.AlphaDropout(0.3)", (4,)),
    ("layers.SpatialDropout1D(0.3)", (4, 3)),
    ("layers.ActivityRegularization(0.1)", (4,)),
    ("layers.Pipeline([layers.Rescaling(2.0), layers.Softmax()])", (4,)),
    ("layers.ReLU()", (4,)),
    ("layers.ReLU(max_value=6.0)", (4,)),
    ("layers.ReLU(negative_slope=0.1)", (4,)),
    ("layers.LeakyReLU(0.2)", (4,)),
    ("layers.ELU()", (4,)),
    ("layers.Softmax()", (4,)),
    ("layers.Activation('sigmoid')", (4,)),
    ("layers.Activation('exponential')", (4,)),
    ("layers.Dropout(0.5)", (4,)),
    ("layers.Rescaling(1. / 127.5, offset=-1)", (4,)),
    ("layers.Resizing(6, 6)", (4, 4, 1)),
    ("layers.CenterCrop(2, 2)", (4, 4, 1)),
    ("layers.Resizing(6, 6, interpolation='bicubic')", (4, 4, 1)),
    ("layers.Resizing(6, 3, pad_to_aspect_ratio=True, fill_value=-2.0)", (4, 4, 1)),
    ("layers.RandomFlip()", (4, 4, 1)),
    ("layers.RandomCrop(3, 3)", (4, 4, 3)),
    ("layers.RandomRotation(0.4, fill_mode='constant', fill_value=-3.0)", (4, 4, 3)),
    ("layers.RandomTranslation(0.4, 0.4)", (4, 4, 3)),
    ("layers.RandomZoom(0.5)", (4, 4, 3)),
    ("layers.RandomShear(0.3, 0.3)", (4, 4, 3)),
    ("layers.RandomPerspective()", (4, 4, 3)),
    ("layers.RandomElasticTransform()", (4, 4, 3)),
    ("layers.RandomGrayscale(1.0)", (4, 4, 3)),
    ("layers.RandomContrast(0.9)", (4, 4, 3)),
    ("layers.RandomBrightness(0.9, (0.0, 1.0))", (4, 4, 3)),
    ("layers.AutoContrast()", (4, 4, 3)),
    ("layers.Equalization()", (4, 4, 3)),
    ("layers.ContrastLimitedAdaptiveHistogramEqualization()", (16, 16, 3)),
    ("layers.AugMix()", (4, 4, 3)),
    ("layers.RandAugment((0.0, 1.0))", (4, 4, 3)),
    ("layers.RandomColorDegeneration(0.5)", (4, 4, 3)),
    ("layers.RandomColorJitter((0, 1), 0.5, 0.5, 0.5, 0.5)", (4, 4, 3)),
    ("layers.RandomErasing(1.0, fill_value=-1.0)", (4, 4, 3)),
    ("layers.RandomGaussianBlur()", (4, 4, 3)),
    ("layers.RandomHue(0.5)", (4, 4, 3)),
    ("layers.RandomInvert()", (4, 4, 3)),
    ("layers.RandomInvert(value_range=(0.0, 0.5))", (4, 4, 3)),
    ("layers.RandomPosterization(3)", (4, 4, 3)),
    ("layers.RandomSaturation(0.8)", (4, 4, 3)),
    ("layers.RandomSharpness(0.9)", (4, 4, 3)),
    ("layers.Solarization(0.5, 0.5)", (4, 4, 3)),
    ("layers.Lambda(lambda x: tf.square(x))", (4,)),
    ("layers.MultiHeadAttention(2, 3)", (4, 3)),
]


@pytest.mark.parametrize(("expression", "shape"), LAYERS)
def test_a_layer_computes_what_keras_computes(expression: str, shape: tuple[int, ...]) -> None:
    """The predicted shape and range hold the values that Keras computes, trained or not."""
    import keras
    import tensorflow as tf

    takes = "x, x" if any(name in expression for name in ("MultiHead", "GroupQuery")) else "x"
    takes = "[x, x]" if any(name in expression for name in (".Attention", "AdditiveAttention")) else takes
    text = f"x = keras.Input({shape})\nx = tf.{{}}(x)\nlayer = {expression}\ny = layer({takes})\n"
    text += "keras.Model(x, y)\n"
    # Once over inputs of any size, once over inputs in [0, 1], which flow through many layers.
    free, bounded = (
        only(read(text.format(name)), "model").arg("outputs") for name in ("identity", "sigmoid")
    )
    for predicted in (free, bounded):
        assert predicted.made_by("unknown_call") is None
    layer = eval(expression, {"layers": keras.layers, "tf": tf, "keras": keras})
    rng = np.random.default_rng(0)
    whole = "Embedding" in expression
    phases = [{}]
    if "training" in inspect.signature(type(layer).call).parameters:
        phases = [{"training": False}, {"training": True}, {"training": True}]
    for scale, phase in itertools.product((1.0, 200.0), phases):
        x = rng.integers(0, 10, (2, *shape)) if whole else rng.normal(0, scale, (2, *shape)).astype("float32")
        for given, predicted in ((x, free), (x if whole else tf.sigmoid(x), bounded)):
            y = np.asarray(eval(f"layer({takes}, **phase)", {"layer": layer, "x": given, "phase": phase}))
            if predicted.shape is not None:
                assert len(predicted.shape) == y.ndim
                assert all(a in (None, b) for a, b in zip(predicted.shape[1:], y.shape[1:], strict=True))
            y = y[~np.isnan(y)]  # of colours that are none
            assert float(y.min()) in predicted.interval
            assert float(y.max()) in predicted.interval


@pytest.mark.parametrize(
    ("expression", "operator"),
    [
        ("layers.Add()([a, b])", "add"),
        ("layers.add([a, b])", "add"),
        ("layers.Subtract()([a, b])", "sub"),
        ("layers.Multiply()([a, b])", "mul"),
        ("layers.Maximum()([a, b])", "maximum"),
        ("layers.Concatenate()([a, b])", "concat"),
        ("layers.concatenate([a, b], axis=1)", "concat"),
        ("layers.Average()([a, b])", "div"),
        ("layers.Dot(axes=1)([a, b])", "tensordot"),
    ],
)
def test_merging_layers(expression: str, operator: str) -> None:
    graph = read(f"a = keras.Input((4,))\nb = keras.Input((4,))\nkeras.Model([a, b], {expression})\n")
    outputs = only(graph, "model").arg("outputs")
    assert outputs.op is not None
    assert outputs.op.name == operator


def test_activation_by_string_symbol_layer_and_function() -> None:
    for spelling in (
        "'sigmoid'",
        "tf.nn.sigmoid",
        "tf.sigmoid",
        "keras.activations.sigmoid",
        "layers.Activation('sigmoid')",
        "lambda x: tf.sigmoid(x)",
        "project",
    ):
        graph = read(
            f"def project(x):\n    return tf.sigmoid(x)\nlayers.Dense(1, activation={spelling})(x)\n"
        )
        dense = only(graph, "dense")
        assert any(sigmoid.arg("x").op is dense for sigmoid in graph.ops("sigmoid")), spelling


def test_the_ops_of_a_layer_stand_at_its_constructor() -> None:
    graph = read("d = layers.Dense(\n    3, activation='softmax'\n)\ny = d(x)\nz = d(x)\n")
    layer = only(graph, "layer")
    softmaxes = list(graph.ops("softmax"))
    assert len(softmaxes) == 2
    for op in softmaxes:
        assert op.node is layer.node
        assert "activation" in op.nodes


def test_an_unknown_activation_is_no_linear_output() -> None:
    graph = read("y = layers.Dense(1, activation=something())(x)\nz = tf.log(y)\n")
    assert not only(graph, "log").arg("x").witnesses
    graph = read("z = tf.log(layers.Dense(1)(x))\n")
    assert only(graph, "log").arg("x").reaches(lambda v: v < 0) is not None


def test_dropout_of_nothing_is_no_op() -> None:
    graph = read("tf.log(layers.Dropout(0.0)(tf.sigmoid(x)))\ntf.exp(layers.Dropout(0.5)(tf.sigmoid(x)))\n")
    assert next(only(graph, "log").arg("x").producers()).name == "sigmoid"
    assert only(graph, "exp").arg("x").interval.hi >= 2.0


def test_tensorflow_1_layers() -> None:
    graph = read("a = tf.layers.dense(x, 3, tf.nn.relu)\nb = tf.layers.dense(a, 1)\nc = tf.log(b)\n")
    assert only(graph, "log").arg("x").op is list(graph.ops("dense"))[1]
    graph = read("tf.log(slim.fully_connected(x, 3))")
    assert only(graph, "log").arg("x").made_by("relu") is not None
    graph = read("tf.log(slim.fully_connected(x, 3, activation_fn=None))")
    assert only(graph, "log").arg("x").made_by("dense") is not None
    graph = read(
        "with slim.arg_scope([slim.fully_connected], activation_fn=None):\n"
        "    tf.log(slim.fully_connected(x, 3))"
    )
    assert not only(graph, "log").arg("x").witnesses
    graph = read(
        "with slim.arg_scope([slim.conv2d], padding='SAME'):\n    tf.log(slim.fully_connected(x, 3))"
    )
    assert only(graph, "log").arg("x").made_by("relu") is not None
    graph = read("tf.log(slim.fully_connected(x, 3, **options))")
    assert not only(graph, "log").arg("x").witnesses


def test_an_rnn_cell_of_tensorflow_1() -> None:
    graph = read(
        "cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(8), tf.nn.rnn_cell.GRUCell(8)])\n"
        "outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)\ntf.log(outputs)\n"
    )
    assert only(graph, "log").arg("x").made_by("gru") is not None


#: An expression over `x` (2 by 6 by 4), as TensorFlow 1's own layers compute it; they need no other package.
OLD_LAYERS = [
    ("dense(x, 3, activation=tf.nn.sigmoid)", "core"),
    ("flatten(x)", "core"),
    ("dropout(x, 0.3, training=True)", "core"),
    ("conv1d(x, 3, 2, activation=tf.nn.relu)", "convolutional"),
    ("separable_conv1d(x, 3, 2)", "convolutional"),
    ("max_pooling1d(x, 2, 2)", "pooling"),
    ("average_pooling1d(x, 2, 2)", "pooling"),
    ("Dense(3, activation=tf.nn.softmax)(x)", "core"),
    ("MaxPooling1D(2, 2)(x)", "pooling"),
    ("AveragePooling1D(2, 2)(x)", "pooling"),
]


@pytest.mark.parametrize(("expression", "module"), OLD_LAYERS)
def test_a_layer_of_tensorflow_1_lies_in_its_range(expression: str, module: str) -> None:
    import importlib

    import tensorflow as tf

    name = expression.partition("(")[0]
    text = (
        f"x = tf.placeholder(tf.float32, [2, 6, 4])\nx = tf.sigmoid(x)\ntf.identity(tf.layers.{expression})\n"
    )
    value = only(read(text), "identity").value
    real = importlib.import_module(f"tensorflow.python.keras.legacy_tf_layers.{module}")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.sigmoid(tf.random.normal((2, 6, 4), seed=1))
        y = eval(expression, {"x": x, name: getattr(real, name), "tf": tf.compat.v1})
        session.run(tf.compat.v1.global_variables_initializer())
        numbers = session.run(y)
    if value.shape is not None:
        assert len(value.shape) == numbers.ndim
        assert all(a in (None, b) for a, b in zip(value.shape, numbers.shape, strict=True))
    assert float(numbers.min()) in value.interval
    assert float(numbers.max()) in value.interval


@pytest.mark.parametrize("cell", ["BasicLSTMCell(5)", "LSTMCell(5)", "GRUCell(5)", "BasicRNNCell(5)"])
def test_a_cell_of_tensorflow_1_lies_in_its_range(cell: str) -> None:
    import tensorflow as tf
    from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl

    graph = read(
        f"x = tf.placeholder(tf.float32, [2, 6, 4])\ny, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.{cell}, x)\n"
        "tf.identity(y)\n"
    )
    interval = only(graph, "identity").value.interval
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = eval(cell, vars(rnn_cell_impl).copy())
        x = 9.0 * tf.random.normal((2, 6, 4), seed=1)
        y, _ = tf.compat.v1.nn.dynamic_rnn(made, x, dtype=tf.float32)
        session.run(tf.compat.v1.global_variables_initializer())
        numbers = session.run(y)
    assert interval.lo <= numbers.min() <= numbers.max() <= interval.hi
    assert interval.hi == 1.0


def test_slim_applies_layers_in_turn() -> None:
    graph = read(
        "y = slim.repeat(x, 3, slim.conv2d, 8, [3, 3], scope='a')\n"
        "slim.stack(y, slim.fully_connected, [4, 2])\n"
    )
    assert [op.arg("units").literal for op in graph.ops("dense")] == [4, 2]
    convolutions = list(graph.ops("conv"))
    assert len(convolutions) == 3
    assert graph.path(convolutions[0], list(graph.ops("dense"))[-1])


def test_a_strategy_calls_the_step() -> None:
    graph = read(
        "s = tf.distribute.MirroredStrategy()\nv = tf.Variable(1.0)\n"
        "def step(x, scale=1.0):\n    with tf.GradientTape() as tape:\n        loss = tf.exp(v) * scale\n"
        "    tape.gradient(loss, [v])\n    return tf.nn.softmax(x)\n"
        "with s.scope():\n    pass\n"
        "p = s.run(step, args=(tf.zeros([3, 4]),), kwargs={'scale': 2.0})\n"
        "tf.log(s.reduce(tf.distribute.ReduceOp.MEAN, p, axis=0))\n"
    )
    power, mean = only(graph, "exp"), only(graph, "mean")
    assert graph.differentiated(power)
    assert mean.arg("x").made_by("softmax") is not None
    assert only(graph, "mul").arg("y").literal == 2.0


def test_what_a_hook_or_an_average_takes_is_not_differentiated() -> None:
    graph = read(
        "v = tf.Variable(1.0)\ntf.train.LoggingTensorHook({'e': tf.exp(v)}, every_n_iter=10)\n"
        "e = tf.train.ExponentialMovingAverage(0.9)\ne.apply([v])\n"
        "tf.train.AdamOptimizer().minimize(tf.square(v) + e.average(tf.sin(v)))\n"
    )
    assert not graph.differentiated(only(graph, "exp"))
    assert not graph.differentiated(only(graph, "sin"))
    assert graph.differentiated(only(graph, "square"))


# ---- models and losses

HEAD = "x = keras.Input((4,))\n"


@pytest.mark.parametrize(
    "model",
    [
        "m = keras.Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(1, activation='sigmoid')])",
        "m = keras.Sequential()\nm.add(layers.Dense(3, input_dim=4))\nm.add(layers.Dense(1))\n"
        "m.add(layers.Activation('sigmoid'))",
        "m = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation='sigmoid')])",
        "m = keras.Sequential([layers.InputLayer((4,)), layers.Dense(1, activation='sigmoid')])",
        "m = keras.Sequential([layers.Dense(1), layers.Dense(1, activation='sigmoid'), layers.Dense(2)])\n"
        "m.pop()",
        f"{HEAD}m = keras.Model(inputs=x, outputs=layers.Dense(1, activation='sigmoid')(x))",
        f"{HEAD}inner = keras.Model(x, layers.Dense(1, activation='sigmoid')(x))\n"
        "y = keras.Input((4,))\nm = keras.Model(y, inner(y))",
        f"{HEAD}inner = keras.Model(x, layers.Dense(1, activation='sigmoid')(x))\n"
        "m = keras.Sequential([inner])",
        "class M(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.d = layers.Dense(1, activation='sigmoid')\n"
        "    def call(self, x):\n        return self.d(x)\nm = M()",
        "class M(keras.Sequential):\n    def __init__(self):\n"
        "        super().__init__([layers.Dense(1, activation='sigmoid')])\nm = M()",
        "class L(layers.Layer):\n    def call(self, x):\n        return tf.sigmoid(tf.matmul(x, self.w))\n"
        "    def build(self, shape):\n        self.w = self.add_weight(shape=(4, 1))\n"
        "m = keras.Sequential([L()])",
    ],
)
def test_the_loss_of_a_compiled_model_is_of_its_output(model: str) -> None:
    graph = read(f"{model}\nm.compile('sgd', 'mse')\n")
    loss = only(graph, "mean_squared_error")
    assert loss.arg("y_pred").made_by("sigmoid") is not None
    compiled = only(graph, "compile")
    assert compiled.arg("loss").op is loss
    assert graph.differentiated(loss)


@pytest.mark.parametrize(
    "loss",
    [
        "'mse'",
        "'MSE'",
        "'mean_squared_error'",
        "keras.losses.mean_squared_error",
        "keras.losses.mse",
        "tf.keras.losses.MeanSquaredError()",
        "keras.losses.MeanSquaredError",
        "keras.losses.get('mse')",
        "['mse']",
        "mine",
        "lambda t, p: tf.losses.mean_squared_error(t, p)",
        "Mine()",
    ],
)
def test_every_spelling_of_a_loss(loss: str) -> None:
    graph = read(
        "def mine(t, p):\n    return keras.losses.mean_squared_error(t, p)\n"
        "class Mine(keras.losses.Loss):\n    def call(self, t, p):\n"
        "        return tf.losses.mean_squared_error(t, p)\n"
        f"m = keras.Sequential([layers.Dense(1)])\nm.compile(loss={loss}, optimizer='adam')\n"
    )
    op = only(graph, "compile").arg("loss").op
    assert op is not None
    assert op.name == "mean_squared_error"
    assert op.arg("y_pred").made_by("dense") is not None
    assert op.arg("y_true").made_by("labels") is not None


STEP = """class M(keras.Model):
    def __init__(self):
        super().__init__()
        self.d = layers.Dense(1, activation='sigmoid')
    def call(self, x):
        return self.d(x)
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            p = self(x, training=True)
            loss = {}
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.weights), self.weights))
m = M()
m.compile('sgd', 'mse')
m.fit(a, b)
"""


@pytest.mark.parametrize(
    "loss",
    [
        "self.compiled_loss(y, p, regularization_losses=self.losses)",
        "self.compute_loss(x, y, p)",
        "self.compute_loss(y=y, y_pred=p)",
    ],
)
def test_a_train_step_applies_the_losses_of_compile(loss: str) -> None:
    graph = read(STEP.format(loss))
    found = only(graph, "mean_squared_error")
    assert found.arg("y_pred").made_by("sigmoid") is not None
    assert isinstance(found.node, cst.SimpleString)
    assert graph.differentiated(found)
    assert only(graph, "apply_gradients").arg("optimizer").op is only(graph, "optimizer")


def test_a_train_step_with_a_loss_of_its_own() -> None:
    graph = read(STEP.format("tf.reduce_mean(tf.abs(y - p))"))
    assert not list(graph.ops("mean_squared_error"))
    graph = read(STEP.format("self.loss(y, p)").replace("'mse'", "keras.losses.MeanSquaredError()"))
    assert only(graph, "mean_squared_error").arg("y_pred").made_by("sigmoid") is not None
    graph = read(STEP.format("0").replace("x, y = data", "return super().train_step(data)"))
    assert graph.differentiated(only(graph, "mean_squared_error"))


def test_a_programs_own_metric_is_called_with_the_output_and_not_differentiated() -> None:
    mine = "def mine(t, p):\n    return tf.reduce_mean(tf.math.log(p))\n"
    own = (
        "class Own(keras.metrics.Metric):\n    def update_state(self, t, p, w=None):\n"
        "        self.v = tf.math.log(p)\n"
    )
    for metric in ("[mine]", "mine", "['accuracy', mine]", "{'y': mine}", "[Own()]"):
        graph = read(
            f"{mine}{own}m = keras.Sequential([layers.Dense(1, activation='sigmoid')])\n"
            f"m.compile('sgd', 'mse', metrics={metric})\n"
        )
        logs = [log for log in graph.ops("log") if log.arg("x").made_by("sigmoid") is not None]
        assert len(logs) == 1, metric
        assert not graph.differentiated(logs[0])
        assert graph.differentiated(only(graph, "mean_squared_error"))


@pytest.mark.parametrize(
    "expression",
    [
        "f.get_layer('h').output",
        "f.get_layer(index=1).output",
        "f.layers[1].output",
        "f.layers[-2].output",
        "f.layers[-1].input",
        "layer.output",
        "s.layers[0].output",
        "s.get_layer('h').output",
        "keras.Model(f.input, f.get_layer('h').output)(x)",
    ],
)
def test_what_a_layer_of_a_model_computes(expression: str) -> None:
    graph = read(
        f"{HEAD}layer = layers.Dense(3, activation='softmax', name='h')\n"
        "f = keras.Model(x, layers.Dense(1)(layer(x)))\n"
        "s = keras.Sequential([keras.Input((4,)), layers.Dense(3, 'softmax', name='h'), layers.Dense(1)])\n"
        f"tf.log({expression})\n"
    )
    assert only(graph, "log").arg("x").made_by("softmax") is not None


def test_losses_that_a_model_adds() -> None:
    graph = read(
        "class L(layers.Layer):\n    def call(self, x):\n        self.add_loss(tf.reduce_sum(tf.exp(x)))\n"
        "        self.add_metric(tf.sin(x), name='s')\n        return x\n"
        f"{HEAD}m = keras.Model(x, L()(layers.Dense(1)(x)))\nv = tf.Variable(1.0)\n"
        "m.add_loss(lambda: tf.abs(v))\n"
        "m.compile('sgd')\n"
    )
    assert graph.differentiated(only(graph, "exp"))
    assert graph.differentiated(only(graph, "abs"))
    assert not graph.differentiated(only(graph, "sin"))


def test_a_loss_stands_at_the_argument_and_keeps_its_options() -> None:
    graph = read(
        "m = keras.Sequential([layers.Dense(3)])\n"
        "m.compile('sgd', loss=keras.losses.CategoricalCrossentropy(from_logits=True))\n"
    )
    loss, made = only(graph, "categorical_crossentropy"), only(graph, "loss")
    assert loss.arg("from_logits").literal is True
    assert loss.node is made.node
    assert loss.arg("loss").op is made
    graph = read("m = keras.Sequential([layers.Dense(3)])\nm.compile('sgd', loss='mse')\n")
    assert isinstance(only(graph, "mean_squared_error").node, cst.SimpleString)


def test_a_loss_object_that_is_called() -> None:
    graph = read("f = keras.losses.BinaryCrossentropy(from_logits=True)\nf(labels, layers.Dense(1)(x))\n")
    loss = only(graph, "binary_crossentropy")
    assert loss.arg("from_logits").literal is True
    assert loss.arg("y_pred").made_by("dense") is not None


@pytest.mark.parametrize("losses", ["['mse', 'mae']", "{'a': 'mse', 'b': 'mae'}", "[mse, mae]"])
def test_losses_of_several_outputs(losses: str) -> None:
    graph = read(
        "from tensorflow.keras.losses import mse, mae\n"
        f"{HEAD}a = layers.Dense(1, activation='sigmoid', name='a')(x)\nb = layers.Dense(1, name='b')(x)\n"
        f"m = keras.Model(x, [a, b])\nm.compile('sgd', {losses})\n"
    )
    assert only(graph, "mean_squared_error").arg("y_pred").made_by("sigmoid") is not None
    assert only(graph, "mean_absolute_error").arg("y_pred").made_by("dense") is not None


def test_positional_metrics_of_keras_2() -> None:
    graph = read("m = keras.Sequential([layers.Dense(1)])\nm.compile('sgd', 'mse', ['accuracy'])\n")
    metrics = only(graph, "compile").arg("metrics")
    assert isinstance(metrics, Items)
    assert metrics.items[0].literal == "accuracy"


def test_a_functional_model_is_repeated_over_new_inputs() -> None:
    graph = read(
        f"{HEAD}h = layers.Dense(3)(x)\nm = keras.Model(x, layers.Softmax()(layers.add([h, h])))\n"
        "z = tf.placeholder(tf.float32, [None, 4])\ntf.log(m(z))\n"
    )
    log = only(graph, "log")
    softmax = log.arg("x").made_by("softmax")
    own, given = graph.ops("placeholder")
    assert softmax is not None
    assert graph.path(given, log)
    assert not graph.path(own, log)


def test_fit_names_the_data() -> None:
    graph = read("m = keras.Sequential([layers.Dense(1)])\nm.fit(a, b, validation_data=(c, d), epochs=3)\n")
    fit = only(graph, "fit")
    assert fit.arg("epochs").literal == 3
    assert set(fit.nodes) == {"x", "y", "validation_data", "epochs"}


def test_pretrained_models() -> None:
    for call, made in (
        ("keras.applications.VGG16()", "softmax"),
        ("keras.applications.MobileNetV2((96, 96, 3))", "softmax"),
        ("keras.applications.VGG16(classifier_activation=None)", "dense"),
        ("keras.applications.VGG16(include_top=False)", "unknown_call"),
    ):
        graph = read(f"m = {call}\ntf.log(m.output)\n")
        assert next(only(graph, "log").arg("x").producers()).name == made


def loss_operands(operator: str, rng: Any, scale: float | None) -> tuple[Any, Any]:
    """Labels and predictions of the shapes that a loss takes: probabilities, or numbers of that scale."""
    shape = (8, 6, 3) if operator == "ctc" else (8, 3)
    whole = rng.integers(0, 3, shape[:-1])
    if scale is None:
        p, y = rng.dirichlet([1.0, 1.0, 1.0], shape[:-1]), np.eye(3)[whole]
    else:
        p, y = rng.normal(0, scale, shape).astype("float32"), rng.normal(0, scale, shape).astype("float32")
    if operator == "ctc":
        return np.ones((8, 2), "int32"), p
    sparse = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy", "circle")
    return whole if operator in sparse else y, p


def keras_loss(operator: str) -> Any:
    """The function of Keras that computes the loss."""
    import keras

    function = getattr(keras.losses, operator)
    if operator == "categorical_generalized_cross_entropy":
        return lambda y, p: function(y, p, 0.5)
    return function


def test_loss_strings_are_those_of_keras() -> None:
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for name, operator in LOSS_STRINGS.items():
        if name in ("logcosh", "kullback_leibler_divergence"):  # known to Keras 2
            continue
        labels, p = loss_operands(operator, rng, None)
        loss = keras_loss(operator) if name == operator else keras.losses.get(name)
        if name == "Circle":  # whose mean leaves out the examples without a pair
            loss = loss.fn
        assert np.allclose(np.mean(loss(labels, p)), np.mean(keras_loss(operator)(labels, p))), name
    for name in ("logcosh", "kullback_leibler_divergence"):
        assert getattr(tf.keras.losses, name).__name__ == LOSS_STRINGS[name]


@pytest.mark.parametrize("operator", sorted(LOSSES_OF_KERAS))
def test_a_loss_lies_in_its_range(operator: str) -> None:
    graph = read(f"keras.losses.{operator}(a, b)\n")
    interval = only(graph, operator).value.interval
    rng = np.random.default_rng(1)
    for scale in (1.0, 50.0):
        for _ in range(8):
            values = np.asarray(keras_loss(operator)(*loss_operands(operator, rng, scale)))
            for value in values[np.isfinite(values)].ravel():
                assert float(value) in interval


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("absolute_difference", "a, b, 0.5"),
        ("mean_squared_error", "a, b, -2.0"),
        ("huber_loss", "a, b, 0.5, 2.0"),
        ("log_loss", "s, s"),
        ("cosine_distance", "a, b, 1"),
        ("hinge_loss", "a, b"),
        ("mean_pairwise_squared_error", "a, b"),
        ("compute_weighted_loss", "abs(a), 0.5"),
        ("compute_weighted_loss", "abs(a), -0.5"),
        ("compute_weighted_loss", "abs(a), a"),
        ("softmax_cross_entropy", "s, b"),
        ("sigmoid_cross_entropy", "s, b"),
    ],
)
def test_losses_of_tensorflow_1(name: str, expression: str) -> None:
    """A weighted mean has the sign of the products; the others are 0 or more for weights that are."""
    import tensorflow as tf

    text = "a = tf.placeholder(tf.float32, [8, 3])\nb = layers.Dense(3)(a)\ns = tf.nn.softmax(a)\n"
    graph = read(f"{text}tf.identity(tf.losses.{name}({expression}))\n")
    interval = only(graph, "identity").value.interval
    rng = np.random.default_rng(2)
    for _ in range(32):
        a, b = (tf.constant(rng.normal(0, 3, (8, 3)), tf.float32) for _ in "ab")
        given = {"a": a, "b": b, "s": tf.nn.softmax(a), "abs": tf.abs}
        value = float(eval(f"tf.compat.v1.losses.{name}({expression})", {"tf": tf, **given}))
        if "-2.0" not in expression:  # nobody weighs by a negative number
            assert value in interval


def test_the_collection_of_losses() -> None:
    graph = read(
        "p = tf.layers.dense(x, 3)\ntf.losses.mean_squared_error(y, p)\n"
        "tf.losses.softmax_cross_entropy(y, p, loss_collection=None)\n"
        "tf.losses.absolute_difference(y, p)\n"
        "tf.train.AdamOptimizer().minimize(tf.losses.get_total_loss())\n"
    )
    assert graph.differentiated(only(graph, "mean_squared_error"))
    assert graph.differentiated(only(graph, "mean_absolute_error"))
    assert not graph.differentiated(only(graph, "softmax_cross_entropy_with_logits"))
    # Another program starts with an empty collection.
    graph = read("tf.train.AdamOptimizer().minimize(tf.losses.get_total_loss())\n")
    assert [op.name for op in graph.ops("add", "mean_squared_error")] == []


# ---- metrics

#: A metric of Keras, and what it is updated with.
METRICS = [
    ("Accuracy()", "ids, ids"),
    ("BinaryAccuracy()", "bits, p"),
    ("CategoricalAccuracy()", "rows, p"),
    ("SparseCategoricalAccuracy()", "ids, p"),
    ("TopKCategoricalAccuracy(2)", "rows, p"),
    ("SparseTopKCategoricalAccuracy(2)", "ids, p"),
    ("Precision()", "bits, p"),
    ("Recall()", "bits, p"),
    ("PrecisionAtRecall(0.5)", "bits, p"),
    ("RecallAtPrecision(0.5)", "bits, p"),
    ("SensitivityAtSpecificity(0.5)", "bits, p"),
    ("SpecificityAtSensitivity(0.5)", "bits, p"),
    ("AUC()", "bits, p"),
    ("IoU(3, [0, 1])", "ids, ids"),
    ("MeanIoU(3)", "ids, ids"),
    ("BinaryIoU()", "bits, p"),
    ("OneHotIoU(3, [0, 1])", "rows, p"),
    ("OneHotMeanIoU(3)", "rows, p"),
    ("F1Score()", "rows, p"),
    ("FBetaScore()", "rows, p"),
    ("TruePositives()", "bits, p"),
    ("FalseNegatives()", "bits, p"),
    ("RootMeanSquaredError()", "p, free"),
    ("Mean()", "free"),
    ("R2Score()", "p, free"),
    ("PearsonCorrelation()", "p, free"),
]


@pytest.mark.parametrize(("metric", "given"), METRICS)
def test_a_metric_lies_in_its_range(metric: str, given: str) -> None:
    import keras

    graph = read(f"m = keras.metrics.{metric}\nm.update_state(a, b)\ntf.identity(m.result())\n")
    interval = only(graph, "identity").value.interval
    rng = np.random.default_rng(3)
    for _ in range(16):
        ids = rng.integers(0, 3, 8)
        p = rng.dirichlet([0.1, 0.1, 0.1], 8).astype("float32")
        names = {"ids": ids, "rows": np.eye(3)[ids].astype("float32"), "p": p}
        names |= {"bits": rng.integers(0, 2, (8, 3)), "free": rng.normal(0, 5, (8, 3)).astype("float32")}
        made = eval(f"keras.metrics.{metric}", {"keras": keras})
        made.update_state(*eval(f"({given},)", names))
        for value in np.asarray(made.result()).ravel():
            assert float(value) in interval


def test_metrics_are_not_differentiated() -> None:
    graph = read(
        "p = layers.Dense(1)(x)\nm = keras.metrics.AUC()\nm.update_state(y, p)\n"
        "v, _ = tf.metrics.mean_squared_error(y, p)\n"
        "tf.train.AdamOptimizer().minimize(m.result() + v + keras.metrics.binary_accuracy(y, p))\n"
    )
    assert not graph.differentiated(only(graph, "dense"))


def test_argument_order_of_losses() -> None:
    graph = read(
        "tf.losses.mean_squared_error(a, layers.Dense(1)(x))\n"
        "tf.contrib.losses.mean_squared_error(layers.Dense(1)(x), a)\n"
        "keras.losses.mean_squared_error(a, layers.Dense(1)(x))\n"
    )
    losses = list(graph.ops("mean_squared_error"))
    assert len(losses) == 3
    assert all(loss.arg("y_pred").made_by("dense") for loss in losses)
    graph = read(
        "tf.losses.softmax_cross_entropy(a, layers.Dense(3)(x))\n"
        "tf.contrib.losses.softmax_cross_entropy(layers.Dense(3)(x), a)\n"
    )
    fused = list(graph.ops("softmax_cross_entropy_with_logits"))
    assert len(fused) == 2
    assert all(loss.arg("logits").made_by("dense") for loss in fused)


def test_a_subclassed_model_is_trained_in_training_mode() -> None:
    graph = read(
        "class M(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.d = layers.Dense(3)\n    def call(self, x, training=False):\n        x = self.d(x)\n"
        "        return x if training else tf.nn.softmax(x)\nm = M()\nm.compile('sgd', 'mse')\n"
    )
    assert only(graph, "mean_squared_error").arg("y_pred").made_by("softmax") is None


def test_callbacks_are_kept() -> None:
    graph = read(
        "m = keras.Sequential([layers.Dense(1)])\n"
        "c = [keras.callbacks.TerminateOnNaN(), keras.callbacks.LearningRateScheduler(f)]\n"
        "m.fit(a, b, callbacks=c)\n"
    )
    callbacks = only(graph, "fit").arg("callbacks")
    assert isinstance(callbacks, Items)
    assert [item.api for item in callbacks.items if isinstance(item, Object)] == [
        "keras.callbacks.TerminateOnNaN",
        "keras.callbacks.LearningRateScheduler",
    ]


# ---- optimizers


def test_optimizer_strings_are_those_of_keras() -> None:
    import keras

    for name, api in OPTIMIZER_STRINGS.items():
        if name in ("lamb",):  # Keras has the class, not the string
            continue
        assert type(keras.optimizers.get(name)).__name__ == api.rpartition(".")[2]


@pytest.mark.parametrize(
    ("expression", "algorithm", "rate"),
    [
        ("keras.optimizers.SGD(0.3)", "sgd", 0.3),
        ("keras.optimizers.SGD(lr=0.3)", "sgd", 0.3),
        ("keras.optimizers.Adam(learning_rate=0.3)", "adam", 0.3),
        ("keras.optimizers.legacy.Adam(0.3)", "adam", 0.3),
        ("tf.train.GradientDescentOptimizer(0.3)", "sgd", 0.3),
        ("tf.compat.v1.train.AdamOptimizer(learning_rate=0.3)", "adam", 0.3),
        ("tf.train.MomentumOptimizer(0.3, 0.9)", "momentum", 0.3),
        ("tf.contrib.opt.AdamWOptimizer(1e-4, 0.3)", "adamw", 0.3),
        ("tf.train.SyncReplicasOptimizer(tf.train.AdamOptimizer(0.3), 2)", "adam", 0.3),
        ("tf.contrib.tpu.CrossShardOptimizer(tf.train.AdamOptimizer(0.3))", "adam", 0.3),
        ("'adam'", "adam", None),
        ("'SGD'", "sgd", None),
    ],
)
def test_optimizers(expression: str, algorithm: str, rate: float | None) -> None:
    graph = read(f"m = keras.Sequential([layers.Dense(1)])\nm.compile({expression}, 'mse')\n")
    optimizer = only(graph, "optimizer")
    assert only(graph, "compile").arg("optimizer").op is optimizer
    assert optimizer.arg("algorithm").literal == algorithm
    assert optimizer.arg("learning_rate").literal == rate


@pytest.mark.parametrize(
    "schedule",
    [
        "ExponentialDecay(0.3, 100, 0.9)",
        "ExponentialDecay(initial_learning_rate=0.3, decay_steps=100, decay_rate=0.9, staircase=True)",
        "InverseTimeDecay(0.3, 10, 0.5)",
        "PolynomialDecay(0.3, 100, 0.01)",
        "PolynomialDecay(0.01, 100, end_learning_rate=0.3)",
        "PiecewiseConstantDecay([10, 20], [0.1, 0.3, 0.05])",
        "CosineDecay(0.3, 100)",
        "CosineDecay(0.0, 100, warmup_target=0.3, warmup_steps=10)",
        "CosineDecayRestarts(0.3, 50)",
    ],
)
def test_the_range_of_a_schedule_ends_at_its_peak(schedule: str) -> None:
    import keras

    graph = read(f"keras.optimizers.SGD(keras.optimizers.schedules.{schedule})")
    rate = only(graph, "optimizer").arg("learning_rate")
    made = eval(f"keras.optimizers.schedules.{schedule}", {"keras": keras})
    rates = [float(made(step)) for step in range(200)]
    assert math.isclose(max(rates), rate.interval.hi, rel_tol=1e-5)
    assert min(rates) >= rate.interval.lo - 1e-6
    assert rate.reaches(lambda value: value > 0.29) is not None


def test_a_schedule_that_grows_has_no_known_peak() -> None:
    graph = read("tf.train.exponential_decay(0.1, step, 100, 1.5)")
    assert only(graph, "schedule").value.interval.hi == math.inf


def test_minimize_and_gradients_differentiate() -> None:
    graph = read(
        "loss = tf.square(tf.Variable(1.0))\nopt = tf.train.AdamOptimizer(0.1)\n"
        "pairs = opt.compute_gradients(loss)\nopt.apply_gradients(pairs)\n"
    )
    assert graph.differentiated(only(graph, "square"))
    assert only(graph, "apply_gradients").arg("optimizer").op is only(graph, "optimizer")
    graph = read("v = tf.Variable(1.0)\nkeras.optimizers.SGD(0.1).minimize(lambda: tf.square(v), [v])\n")
    assert graph.differentiated(only(graph, "square"))
    graph = read(
        "v = tf.Variable(1.0)\nwith tf.GradientTape() as tape:\n    loss = tf.square(v)\n"
        "g = tape.gradient(loss, [v])\nkeras.optimizers.SGD(0.1).apply_gradients(zip(g, [v]))\n"
    )
    assert graph.differentiated(only(graph, "square"))


@pytest.mark.parametrize(
    "statement",
    [
        "m.optimizer.lr = 0.5",
        "o.learning_rate = 0.5",
        "o.learning_rate.assign(0.5)",
        "keras.backend.set_value(m.optimizer.learning_rate, 0.5)",
        "o.lr = 0.1\nkeras.backend.set_value(o.lr, 0.5)",
    ],
)
def test_a_rate_that_is_set_later(statement: str) -> None:
    graph = read(
        "m = keras.Sequential([layers.Dense(1)])\no = keras.optimizers.Adam(7.0)\n"
        f"m.compile(o, 'mse')\n{statement}\n"
    )
    given = [op.arg(name).literal for op, name in places(graph, only(graph, "optimizer"))]
    assert given[-1] == 0.5
    assert 7.0 not in given


def test_clipped_gradients_lie_within_the_norm() -> None:
    import tensorflow as tf

    graph = read("g = tf.gradients(loss, [v, w])\ng, _ = tf.clip_by_global_norm(g, 5.0)\nprobe(g[0])\n")
    clipped = list(graph.ops("clip_by_norm"))
    assert len(clipped) == 2
    assert all(op.arg("x").op is not None and graph.path(only(graph, "gradients"), op) for op in clipped)
    interval = clipped[0].value.interval
    for value in tf.clip_by_norm(tf.constant([1e30, -1e30, 4.0]), 5.0).numpy():
        assert float(value) in interval


# ---- sessions


def test_a_session_hands_out_what_is_fetched_and_feeds_what_is_given() -> None:
    graph = read(
        "x = tf.placeholder(tf.float32, [None, 2])\ny = tf.nn.softmax(x)\nlayers.Dense(1)(x)\n"
        "with tf.Session() as sess:\n    p, (q, _) = sess.run([y, (y, 'name')], feed_dict={x: np.ones(2)})\n"
        "    np.log(p)\n    tf.log(q)\n    tf.exp(y.eval({x: np.zeros(2)}))\n"
    )
    for op in graph.ops("log", "exp"):
        assert op.arg("x").made_by("softmax") is not None
    feeds = list(graph.ops("feed"))
    assert [next(feed.arg("data").producers()).name for feed in feeds] == ["ones", "zeros"]
    assert all(feed.arg("placeholder").made_by("placeholder") for feed in feeds)


def test_variables() -> None:
    for expression in (
        "tf.Variable(tf.ones([2]))",
        "tf.get_variable('w', [2])",
        "tf.get_variable('w', shape=[2], initializer=tf.zeros_initializer())",
        "keras.Variable(np.zeros(2))",
    ):
        value = only(read(expression), "variable").value
        assert value.reaches(lambda v: v < 0) is not None, expression
    for expression in (
        "tf.Variable(0, trainable=False)",
        "tf.get_variable('w', [2], trainable=False)",
        "tf.train.get_or_create_global_step()",
        "tf.get_variable('w', [2], constraint=f)",
        "layers.Layer().add_weight(shape=(2,), constraint=something())",
    ):
        assert not only(read(expression), "variable").value.witnesses, expression


@pytest.mark.parametrize(
    ("options", "lo", "hi"),
    [
        ("initializer='ones', constraint='non_neg'", 0.0, math.inf),
        ("initializer='random_uniform', constraint=keras.constraints.NonNeg()", -0.05, math.inf),
        ("initializer=keras.initializers.RandomUniform(0.0, 1.0), constraint='NonNeg'", 0.0, math.inf),
        ("initializer='zeros', constraint=keras.constraints.MaxNorm(3.0)", -3.0, 3.0),
        ("initializer='zeros', constraint=keras.constraints.UnitNorm()", -1.0, 1.0),
        ("initializer='zeros', constraint=keras.constraints.MinMaxNorm(0.5, 2.0)", -2.0, 2.0),
        ("initializer='ones', constraint=lambda w: tf.clip_by_value(w, 1e-3, 10.0)", 1e-3, 10.0),
        ("initializer='zeros', constraint=Own()", -1.0, 1.0),
    ],
)
def test_a_constraint_bounds_a_variable(options: str, lo: float, hi: float) -> None:
    """Where a variable starts, and where Keras' own constraint leaves numbers of any size."""
    import keras
    import tensorflow as tf

    own = "class Own(keras.constraints.Constraint):\n    def __call__(self, w):\n        return tf.tanh(w)\n"
    graph = read(f"{own}layers.Layer().add_weight(shape=(64, 4), {options})\n")
    interval = only(graph, "variable").value.interval
    assert (pytest.approx(interval.lo, abs=1e-4), pytest.approx(interval.hi, abs=1e-4)) == (lo, hi)
    assert all(w.value in interval for w in only(graph, "variable").value.witnesses)
    names: dict[str, Any] = {"keras": keras, "tf": tf}
    exec(own, names)
    exec(f"v = keras.layers.Layer().add_weight(shape=(64, 4), {options})", names)
    variable = names["v"]
    numbers = np.random.default_rng(4).normal(0, 50, (64, 4)).astype("float32")
    for values in (np.asarray(variable), np.asarray(variable.constraint(numbers))):
        assert interval.lo <= values.min() <= values.max() <= interval.hi


def test_weights_with_a_constraint_reach_nothing_for_certain() -> None:
    for layer in ("Dense(1, use_bias=False", "Conv2D(1, 3"):
        graph = read(f"tf.log(layers.{layer}, kernel_constraint='non_neg')(x))\n")
        assert not only(graph, "log").arg("x").witnesses
    graph = read("tf.log(layers.Embedding(9, 4, 'ones', embeddings_constraint='non_neg')(x))\n")
    assert only(graph, "log").arg("x").interval.lo == 0.0


@pytest.mark.parametrize(
    "initializer",
    [
        *("Zeros()", "Ones()", "Constant(0.3)", "RandomUniform()", "RandomUniform(0.1, 0.2)"),
        *("TruncatedNormal(0.5, 0.1)", "GlorotUniform()", "GlorotNormal()", "HeUniform()", "HeNormal()"),
        *("LecunUniform()", "LecunNormal()", "Orthogonal(2.0)", "Identity(3.0)", "RandomNormal()"),
        *("VarianceScaling(3.0, 'fan_avg', 'uniform')", "VarianceScaling(3.0)"),
    ],
)
def test_initial_values_lie_in_the_range_of_the_initializer(initializer: str) -> None:
    import keras
    import tensorflow as tf

    value = list(read(f"i = keras.initializers.{initializer}\ni((3, 3))\n").ops())[-1].value
    old = list(read(f"i = tf.initializers.{initializer}\ni((3, 3))\n").ops())[-1].value
    makers: list[tuple[Value, Any]] = [
        (value, eval(f"keras.initializers.{initializer}", {"keras": keras})),
        (old, eval(f"tf.initializers.{initializer}", {"tf": tf})),
    ]
    for predicted, made in makers:
        for shape in ((1, 1), (64, 64), (3, 3), (400, 2)):
            if "Identity" in initializer and shape[0] != shape[1]:
                continue
            numbers = np.asarray(made(shape))
            assert predicted.interval.lo <= numbers.min() <= numbers.max() <= predicted.interval.hi
    bounded = "RandomNormal" not in initializer
    assert math.isfinite(value.interval.hi) is bounded


@pytest.mark.parametrize("name", ["zeros", "ones", "glorot_uniform", "he_normal", "uniform", "orthogonal"])
def test_initializers_by_string(name: str) -> None:
    import keras

    interval = start(Const(name))
    numbers = np.asarray(keras.initializers.get(name)((64, 64)))
    assert interval.lo <= numbers.min() <= numbers.max() <= interval.hi < 4.0


def test_a_regularizer_is_not_negative() -> None:
    graph = read("r = keras.regularizers.l2(0.1)\nr(layers.Dense(1)(x))\n")
    assert only(graph, "regularization").value.interval.lo == 0.0
    assert graph.path(only(graph, "dense"), only(graph, "regularization"))


# ---- data


def _fed(text: str, name: str = "x") -> Value:
    return only(read(f"m = keras.Sequential([layers.Dense(1)])\n{text}\n"), "fit").arg(name)


CSV = "t = pd.read_csv('data/mnist_train.csv')\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{MNIST}m.fit(a, b)",
        "(a, b), (c, d) = keras.datasets.cifar10.load_data()\nm.fit(a.astype('float32'), b)",
        f"{MNIST}m.fit(a.reshape(-1, 784), b)",
        f"{MNIST}m.fit(tf.data.Dataset.from_tensor_slices((a, b)).batch(8))",
        "m.fit(tfds.load('mnist', split='train', as_supervised=True).batch(32))",
        "m.fit(tfds.load('mnist', split='train').map(lambda e: (e['image'], e['label'])).batch(32))",
        "m.fit(keras.utils.image_dataset_from_directory('d'))",
        "m.fit(keras.preprocessing.image.ImageDataGenerator().flow_from_directory('d'))",
        f"{CSV}m.fit(t.loc[:, '1x1':'28x28'].values, t['label'])",
        f"{CSV}m.fit(t.iloc[:, 1:], t.iloc[:, 0])",
        f"{CSV}m.fit(t.drop('label', axis=1), t['label'])",
        f"{CSV}t = t.loc['1':'50', :].sample(frac=1).reset_index(drop=True)\n"
        "m.fit(t.loc[:, 'a':'b'].values, t['label'])",
        f"{MNIST}a, c, b, d = train_test_split(a, b, test_size=0.1)\nm.fit(a, b)",
        "class S(keras.utils.Sequence):\n    def __getitem__(self, i):\n"
        "        return keras.utils.img_to_array(keras.utils.load_img('a.png')), 1\nm.fit(S())",
        "import cv2\nm.fit(cv2.resize(cv2.imread('a.png'), (8, 8)), b)",
        "from PIL import Image\nm.fit(np.array(Image.open('a.png')), b)",
        "a = keras.utils.img_to_array(keras.utils.load_img('a.png'))\nm.fit(a, b)",
        "m.fit(tf.image.resize(tf.io.decode_jpeg(tf.io.read_file('a.jpg')), [8, 8]), b)",
    ],
)
def test_raw_pixels_reach_fit(text: str) -> None:
    x = _fed(text)
    assert x.made_by("pixels", "csv") is not None
    assert x.interval.hi == 255
    assert x.reaches(lambda v: v == 255) is not None


@pytest.mark.parametrize(
    "text",
    [
        f"{MNIST}m.fit(a / 255.0, b)",
        f"{MNIST}a = a.astype('float32')\na /= 255\nm.fit(a, b)",
        f"{GENERATOR}(rescale=1. / 255)\nm.fit(g.flow_from_directory('d'))",
        "m.fit(keras.utils.image_dataset_from_directory('d').map(lambda x, y: (x / 255., y)))",
        f"{CSV}m.fit(t.iloc[:, 1:].values / 255., t['label'])",
        f"{CSV}m.fit(MinMaxScaler().fit_transform(t), t['label'])",
        f"{MNIST}m.fit(tf.image.convert_image_dtype(a, tf.float32), b)",
        "from tensorflow.examples.tutorials.mnist import input_data\n"
        "x, y = input_data.read_data_sets('d').train.next_batch(8)\nm.fit(x, y)",
    ],
)
def test_scaled_pixels_are_known_to_be_scaled(text: str) -> None:
    interval = _fed(text).interval
    assert interval.lo >= -1e-6
    assert interval.hi <= 1 + 1e-6


@pytest.mark.parametrize(
    "text",
    [
        "t = pd.read_csv('houses.csv')\nm.fit(t.iloc[:, 1:], t['price'])",
        f"{MNIST}m.fit(StandardScaler().fit_transform(a), b)",
        f"{MNIST}m.fit(keras.applications.vgg16.preprocess_input(a), b)",
        f"{MNIST}m.fit(tf.image.per_image_standardization(a), b)",
        "m.fit(pd.read_csv(path), b)",
        f"{GENERATOR}(preprocessing_function=f)\nm.fit(g.flow_from_directory('d'))",
    ],
)
def test_what_is_not_known_to_be_raw_has_no_witness(text: str) -> None:
    x = _fed(text)
    assert x.reaches(lambda v: abs(v) > 1) is None


def test_labels_are_no_pixels() -> None:
    for text in (
        f"{CSV}m.fit(t.iloc[:, 1:], t['label'])",
        f"{CSV}m.fit(t.iloc[:, 1:], t.iloc[:, 0])",
        f"{CSV}m.fit(t.iloc[:, 1:], t.pop('label'))",
    ):
        assert _fed(text, "y").made_by("csv") is None
    labels = _fed(f"{MNIST}m.fit(a, keras.utils.to_categorical(b, 10))", "y")
    assert (labels.interval.lo, labels.interval.hi) == (0, 1)


def test_convert_image_dtype_scales_as_tensorflow_does() -> None:
    import tensorflow as tf

    graph = read("tf.image.convert_image_dtype(tf.io.decode_png(f), tf.float32)")
    interval = only(graph, "rescaling").value.interval
    for pixel in (0, 1, 128, 254, 255):
        value = float(tf.image.convert_image_dtype(tf.constant(pixel, tf.uint8), tf.float32))
        assert value in interval


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_convert_image_dtype_leaves_floats_as_tensorflow_does(dtype: str) -> None:
    import tensorflow as tf

    graph = read(
        f"x = tf.cast(tf.io.decode_png(f), tf.{dtype})\ny = tf.image.convert_image_dtype(x, tf.float32)"
    )
    found = next(op for op in graph.ops("cast") if op.api == "tf.image.convert_image_dtype")
    real = tf.image.convert_image_dtype(tf.constant(200, dtype), tf.float32)
    assert (float(real), real.dtype.name) == (200.0, found.value.dtype)
    assert found.value.reaches(lambda v: v == 255) is not None


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_resize_makes_floats_as_tensorflow_does(dtype: str) -> None:
    import tensorflow as tf

    graph = read(f"tf.image.resize(tf.cast(tf.io.decode_png(f), tf.{dtype}), [4, 4])")
    real = tf.image.resize(tf.constant([[[200]]], dtype), [4, 4])
    assert only(graph, "resize").value.dtype == real.dtype.name
    assert float(tf.reduce_max(real)) == 200.0


def test_a_pipeline_yields_its_elements() -> None:
    graph = read(
        "a = tf.nn.softmax(tf.placeholder(tf.float32, [8, 4]))\n"
        "for x, y in tf.data.Dataset.from_tensor_slices((a, a)).shuffle(9).repeat().batch(2).prefetch(1):\n"
        "    tf.log(x)\n"
    )
    x = next(graph.ops("log")).arg("x")
    assert x.made_by("softmax") is not None
    assert x.shape == (None, 4)
    graph = read(
        "d = tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices(tf.ones([3])), other))\n"
        "a, b = d.make_one_shot_iterator().get_next()\ntf.log(a)\n"
    )
    assert only(graph, "log").arg("x").made_by("ones") is not None


# ---- flags


@pytest.mark.parametrize(
    "text",
    [
        "tf.app.flags.DEFINE_float('rate', 0.25, 'help')\nF = tf.app.flags.FLAGS\nprobe = F.rate",
        "F = flags.FLAGS\nflags.DEFINE_float('rate', 0.25, 'help')\nprobe = F.rate",
        "flags.DEFINE_float(name='rate', default=0.25, help='h')\nprobe = tf.app.flags.FLAGS.rate",
        f"{PARSER}p.add_argument('--rate', type=float, default=0.25)\nprobe = p.parse_args().rate",
        f"{PARSER}p.add_argument('-r', '--the-rate', default=0.25)\n"
        "a, _ = p.parse_known_args()\nprobe = a.the_rate",
        f"{PARSER}p.add_argument('--x', dest='rate', default='0.25', type=float)\n"
        "probe = p.parse_args().rate",
        f"{PARSER}g = p.add_argument_group('g')\ng.add_argument('rate', default=0.25)\n"
        "probe = p.parse_args().rate",
        f"{PARSER}p.add_argument('--rate')\np.set_defaults(rate=0.25)\nprobe = p.parse_args().rate",
    ],
)
def test_the_default_of_a_setting_is_its_value(text: str) -> None:
    graph = read(f"{text}\nkeras.optimizers.SGD(probe)\n")
    assert only(graph, "optimizer").arg("learning_rate").literal == 0.25


def test_a_switch_has_no_known_value() -> None:
    graph = read(
        f"{PARSER}p.add_argument('--fast', action='store_true')\n"
        "p.add_argument('--rate', type=float)\na = p.parse_args()\nkeras.optimizers.SGD(a.rate, a.fast)\n"
    )
    optimizer = only(graph, "optimizer")
    assert not optimizer.arg("learning_rate").witnesses
    assert optimizer.arg("momentum").literal not in (True, False)


# ---- all of them

HOSTILE = {
    "nothing": lambda walk: [],
    "unknown": lambda walk: [UNKNOWN] * 6,
    "none": lambda walk: [NONE] * 6,
    "text": lambda walk: [Const("mnist")] * 6,
    "numbers": lambda walk: [
        Const(-1),
        Const(math.nan),
        Const(1e400),
        Const(10**400),
        Const(True),
        Const(b""),
    ],
    "empty": lambda walk: [Items(()), Table({}), Items((), "list", complete=False), Items((), "slice")],
    "nested": lambda walk: [Items((Items((Const(1), UNKNOWN)), NONE)), Table({None: UNKNOWN, 1: Const("a")})],
    "symbols": lambda walk: [Symbol("keras.layers.Dense"), Symbol("nowhere")] * 3,
    "objects": lambda walk: [Object("layer", "keras.layers.Dense"), Object("model", "keras.Sequential")] * 3,
    "functions": lambda walk: [walk.evaluate(cst.parse_expression("lambda *a: a"))] * 3,
    "tensors": lambda walk: [walk.emit("variable", {}), walk.emit("placeholder", {})] * 3,
}


class Walk(Program):
    """A walk that stands in an empty module."""

    def __init__(self) -> None:
        super().__init__(Source("case.py", "x = 0\n"), None)
        self.run()


@pytest.mark.parametrize("kind", HOSTILE)
def test_handlers_are_total(kind: str) -> None:
    """Whatever a library name is called with, there is a value."""
    for name, api in APIS.items():
        walk = Walk()
        args: list[Any] = HOSTILE[kind](walk)
        if api.params and api.params[0][0] == "self":
            receiver = Object(name.partition(".")[0], name)
            args = [receiver, *args]
        assert isinstance(walk.call(Symbol(name), args, {}), Value), name
        keywords = dict(zip((real for real, _ in api.params), args, strict=False))
        assert isinstance(walk.call(Symbol(name), [], keywords), Value), name
    assert isinstance(HOSTILE["functions"](Walk())[0], Function)


# ---- functions of Keras that are several operations, or share their operator with NumPy's

#: An expression of keras.ops over `x` (8 by 4, any numbers), `p` (positive), `m` (positive definite).
FUNCTIONS = [
    *("arctan2(x, p)", "deg2rad(x)", "rad2deg(x)", "heaviside(x, p)", "cdist(x, p)", "hypot(x, p)"),
    *("logaddexp(x, p)", "fmax(x, p)", "fmin(x, p)", "fmod(x, p)", "sinc(x)", "cbrt(x)", "exp2(x)"),
    *("trunc(x)", "angle(x)", "median(x, axis=0)", "quantile(x, 0.3, axis=1)", "percentile(p, 30.0)"),
    *("ptp(x, axis=0)", "nanmax(x)", "nansum(p, axis=0)", "nanvar(x)", "diff(x)", "trapezoid(x)"),
    *("corrcoef(x)", "bincount(ids)", "segment_min(x, ids)", "segment_prod(p, ids)", "bartlett(8)"),
    *("segment_max(-1.0 - s, ids, num_segments=6)", "segment_min(1.0 + s, ids, num_segments=6)"),
    *("segment_max(-1.0 - s, ids + ids, sorted=True)", "segment_max(x, ids)"),
    *("hanning(8)", "hamming(8)", "blackman(8)", "kaiser(8, 3.0)", "adaptive_average_pool(p[None], 2)"),
    *("adaptive_max_pool(p[None], 2)", "layer_normalization(x)", "rms_normalization(x)"),
    *("dot_product_attention(i, i, i)", "binary_crossentropy(s, s)", "dstack([x, p])", "tri(3, 4)"),
    *("rot90(x)", "fliplr(x)", "diagonal(x)", "diagflat(p)", "trace(p)", "det(m)", "inv(m)"),
    *("logdet(m)", "cholesky(m)", "solve(m, m)", "pinv(m)", "slice_update(x, [0, 0], p[:2, :2])"),
    *("scatter_update(x, [[0, 1]], p[0, :1])", "scatter(ids[:, None], p[:, 0], [9])", "unfold(i, 2)"),
    *("geomspace(1.0, 8.0)", "logspace(0.0, 2.0)", "argsort(x)", "digitize(x, [0.0, 1.0])", "nonzero(x)[0]"),
    *("isclose(x, p)", "signbit(x)", "kron(p, p)", "extract_sequences(x, 2, 1)", "empty_like(x) * 0"),
]
#: The backend's, of the same.
BACKEND = [
    *("pool2d(i, (2, 2))", "pool2d(i, (2, 2), pool_mode='avg')", "resize_images(i, 2, 2, 'channels_last')"),
    *("spatial_2d_padding(i)", "temporal_padding(b)", "random_bernoulli((4, 4), 0.5)", "hard_sigmoid(x)"),
    *("binary_focal_crossentropy(s, s)", "to_dense(x)", "softmax(x)", "l2_normalize(x, 1)", "elu(x)"),
]


@pytest.mark.parametrize(
    "expression",
    [*(f"keras.ops.{name}" for name in FUNCTIONS), *(f"keras.backend.{name}" for name in BACKEND)],
)
def test_a_function_of_keras_lies_in_its_range(expression: str) -> None:
    import keras
    import tensorflow as tf

    text = (
        "x = tf.placeholder(tf.float32, [8, 4])\nv = layers.Dense(4)(x)\np = tf.exp(x)\ns = tf.sigmoid(x)\n"
        "b = tf.nn.tanh(x[None])\ni = s[None, :, :, None]\nm = tf.matmul(s, s, transpose_a=True)\n"
        "ids = tf.constant([0, 0, 1, 1, 2, 2, 3, 3])\nx = tf.clip_by_value(x, -50.0, 50.0)\n"
    )
    value = list(read(f"{text}tf.identity({expression})\n").ops("identity"))[-1].value
    assert value.made_by("unknown_call") is None
    rng = np.random.default_rng(5)
    for _ in range(12):
        x = tf.constant(rng.normal(0, 5, (8, 4)), tf.float32)
        s = tf.sigmoid(x)
        names = {"keras": type("K", (), {"ops": keras.ops, "backend": tf.keras.backend}), "x": x, "s": s,
                 "p": tf.exp(x), "b": tf.tanh(x[None]), "i": s[None, :, :, None],
                 "m": tf.matmul(s, s, transpose_a=True) + 0.1 * tf.eye(4),
                 "ids": tf.constant([0, 0, 1, 1, 2, 2, 3, 3])}  # fmt: skip
        result = np.asarray(eval(expression, names), np.float64)
        if value.shape is not None:
            assert all(a in (None, b) for a, b in zip(value.shape, result.shape, strict=True))
        for number in result[np.isfinite(result)].ravel():
            assert float(number) in value.interval


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (5, 3, 1), (1,)])
@pytest.mark.parametrize("function", ["keras.utils.to_categorical(y, 4)", "tf.one_hot(y, 4)"])
def test_the_shape_of_zeros_and_ones(function: str, shape: tuple[int, ...]) -> None:
    """Keras puts them in the place of a last axis of length 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    computed = eval(function, {"tf": tf, "keras": tf.keras, "y": np.zeros(shape, np.int64)})
    graph = read(f"import numpy as np\ny = np.zeros({shape}, np.int64)\nout = {function}\n")
    assert only(graph, "one_hot").value.shape == tuple(computed.shape)
