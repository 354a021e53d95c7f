"""Facts that the operator table states besides ranges, each asked of Keras itself."""

from __future__ import annotations

import inspect
import math

import keras
import numpy as np
import pytest

from tflint_nan.build import build
from tflint_nan.ops.layers import DIVIDING
from tflint_nan.ops.table import APIS
from tflint_nan.source import Source

PREPROCESSING = sorted(
    name for name in APIS if name.startswith("keras.applications.") and name.endswith(".preprocess_input")
)
#: Its epsilon is how near quantiles have to be.
NO_DIVISION = "Discretization"
WITH_EPSILON = sorted(
    name
    for name, cls in inspect.getmembers(keras.layers, inspect.isclass)
    if name == cls.__name__ != NO_DIVISION and "epsilon" in inspect.signature(cls.__init__).parameters
)


@pytest.mark.parametrize("name", PREPROCESSING)
def test_what_preprocessing_scales(name: str) -> None:
    function = getattr(keras.applications, name.split(".")[2]).preprocess_input
    pixels = np.linspace(0, 255, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3).astype("float32")
    kept = np.array_equal(function(pixels.copy()), pixels)
    graph = build(Source("x.py", f"import keras\ny = {name}(x)\n"), {})
    (scaled,) = [op.arg("full_scale").literal for op in graph.ops("scaled")] or [None]
    assert scaled == (None if kept else 255.0)


def test_the_table_has_all_preprocessing() -> None:
    modules = inspect.getmembers(keras.applications, inspect.ismodule)
    named = {
        f"keras.applications.{name}.preprocess_input" for name, m in modules if hasattr(m, "preprocess_input")
    }
    assert named <= set(PREPROCESSING)


@pytest.mark.parametrize("name", WITH_EPSILON)
def test_which_layers_divide_by_what_they_measure(name: str) -> None:
    layer = getattr(keras.layers, name)(epsilon=0.0)
    zeros = np.zeros((4, 32), "float32")  # nothing varies, and the mean square is 0
    y = np.asarray(layer(zeros, training=True) if name == "BatchNormalization" else layer(zeros))
    assert (not math.isfinite(float(y.sum()))) == (f"keras.layers.{name}" in DIVIDING)
