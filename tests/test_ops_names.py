"""Every name of the operator table exists in the installed libraries, with its parameters in that order."""

from __future__ import annotations

import argparse
import inspect
import math
import optparse
import random
import sys
import types
from typing import Any

import absl.app
import absl.flags
import click
import keras
import libcst as cst
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.training import moving_averages

import tflint_nan.ops  # noqa: F401  (fills the tables)
from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.ops.table import APIS, BASES, CONSTANTS, OPERATORS, Api
from tflint_nan.source import Source
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Op, Scope, Table, Tensor, Value, Witness

v1 = tf.compat.v1
#: Prefix of a normalised name -> where the rest of it is looked up.
LIBRARIES: dict[str, tuple[Any, ...]] = {
    "tf": (tf, v1),
    "keras": (tf.keras, keras),
    "np": (np,),
    "math": (math,),
    "random": (random,),
    "sys": (sys,),
    "absl": (absl,),
    "argparse": (argparse,),
    "click": (click,),
    "optparse": (optparse,),
    "moving_averages": (moving_averages,),
}
#: Kind of a receiver -> the classes whose methods are meant.
KINDS: dict[str, tuple[Any, ...]] = {
    "generator": (tf.random.Generator,),
    "rng": (np.random.Generator, np.random.RandomState),
    "tensor": (tf.Tensor, type(tf.constant(0.0)), tf.Variable, v1.Variable, np.ndarray),
    "model": (keras.Model, keras.Sequential),
    "layer": (keras.layers.Layer, keras.layers.Normalization),
    "optimizer": (keras.optimizers.Optimizer, v1.train.Optimizer),
    "dataset": (
        *(tf.data.Dataset, v1.data.Dataset, tf.data.Iterator, v1.data.Iterator),
        keras.utils.Sequence,
    ),
    "tape": (tf.GradientTape,),
    "tensor_array": (tf.TensorArray,),
    "custom_gradient": (types.FunctionType,),
    "session": (v1.Session, v1.InteractiveSession),
    "supervisor": (v1.train.Supervisor,),
    "operation": (tf.Operation,),
    "metric": (keras.metrics.Metric,),
    "loss": (keras.losses.Loss,),
    "schedule": (keras.optimizers.schedules.LearningRateSchedule,),
    "initializer": (keras.initializers.Initializer, v1.zeros_initializer),
    "compiled_loss": (keras.src.trainers.compile_utils.CompileLoss,),
    "strategy": (tf.distribute.Strategy, v1.distribute.Strategy),
    "average": (tf.train.ExponentialMovingAverage, v1.train.ExponentialMovingAverage),
    "distribution": (
        *(v1.distributions.Distribution, v1.distributions.Normal, v1.distributions.Gamma),
        *(v1.distributions.Beta, v1.distributions.StudentT, v1.distributions.Bernoulli),
    ),
    "constraint": (keras.constraints.Constraint,),
    "regularizer": (keras.regularizers.Regularizer,),
    "cell": (keras.layers.LSTMCell,),
    "argparser": (argparse.ArgumentParser,),
    "click_option": (type(click.option("-x")),),
    "flags": (absl.flags.FlagValues,),
    "optparser": (optparse.OptionParser,),
}
#: What is not installed beside TensorFlow: its names were read in its documentation.
NOT_INSTALLED = {
    "PIL", "Image", "bijector", "cv2", "encoder", "image_generator", "image_set", "imageio", "input_data",
    "label_encoder", "pd", "scaler", "scipy", "skimage", "sklearn", "tfa", "tfds", "tfp",
}  # fmt: skip
#: Attributes of pandas' tables that arrays and tensors do not have.
OF_TABLES = {
    "abs", "add", "as_matrix", "at", "div", "drop", "drop_duplicates", "dropna", "fillna", "head", "iat",
    "iloc", "ix", "loc", "median", "mul", "multiply", "pop", "pow", "rename", "reset_index", "sample",
    "set_index", "sort_values", "sub", "subtract", "tail", "to_frame", "to_numpy", "transform",
    "truediv", "values",
}  # fmt: skip


#: Methods of older generations of Keras, and of Python 2's iterators and Pillow's images.
OLD_METHODS = {
    "dataset.next", "model.evaluate_generator", "model.fit_generator", "model.predict_classes",
    "model.predict_generator", "model.predict_proba", "optimizer.get_gradients", "optimizer.get_scaled_loss",
    "optimizer.get_unscaled_gradients", "optimizer.get_updates", "optimizer.lr", "tensor.convert",
    "tensor.crop", "tensor.rotate",
}  # fmt: skip
#: Base classes and constants of older generations.
OLD_BASES = {"keras.metrics.MeanTensor", "tf.layers.Layer"}
OLD_CONSTANTS = {"np.Inf", "np.NAN", "np.NaN", "np.infty", "tf.contrib.framework.arg_scopes",
                 "tf.contrib.losses.collection", "keras.mixed_precision.in_force"}  # fmt: skip


def members(roots: tuple[Any, ...], path: list[str]) -> list[Any]:
    """The objects of that dotted name, one for each root that has it."""
    result = []
    for item in roots:
        try:
            for part in path:
                item = getattr(item, part)
        except AttributeError:
            continue
        result.append(item)
    return result


def resolved(name: str) -> list[Any]:
    """The library's objects of a normalised name."""
    prefix, *path = name.split(".")
    return members(LIBRARIES.get(prefix) or KINDS[prefix], path)


def checked(names: Any, roots: dict[str, Any]) -> list[str]:
    """The names that begin with one of these prefixes."""
    return sorted(name for name in names if name.split(".")[0] in roots)


def test_every_prefix_is_checked_or_not_installed() -> None:
    prefixes = {name.split(".")[0] for name in (*APIS, *BASES, *CONSTANTS)}
    assert prefixes <= LIBRARIES.keys() | KINDS.keys() | NOT_INSTALLED
    assert not NOT_INSTALLED & (LIBRARIES.keys() | KINDS.keys())


def test_names_exist_or_are_marked_as_removed() -> None:
    missing = [name for name in checked(APIS, LIBRARIES) if not APIS[name].removed and not resolved(name)]
    assert missing == []


def test_names_that_are_marked_as_removed_are_gone() -> None:
    present = [name for name in checked(APIS, LIBRARIES) if APIS[name].removed and resolved(name)]
    assert present == []


def test_methods_exist() -> None:
    missing = [
        name
        for name in checked(APIS, KINDS)
        if not APIS[name].removed
        and not resolved(name)
        and not (name.startswith("tensor.") and name.split(".")[1] in OF_TABLES)
    ]
    assert set(missing) == OLD_METHODS & APIS.keys()


def test_base_classes_exist() -> None:
    removed = OLD_BASES | {name for name in BASES if name in APIS and APIS[name].removed}
    for name in checked(BASES, LIBRARIES):
        found = resolved(name)
        assert bool(found) is (name not in removed), name
        assert all(inspect.isclass(item) for item in found), name


@pytest.mark.parametrize("name", checked(CONSTANTS, LIBRARIES))
def test_constants_have_their_value(name: str) -> None:
    if name in OLD_CONSTANTS:
        assert not resolved(name)
        return
    actual, declared = resolved(name)[0], CONSTANTS[name]
    if isinstance(actual, tf.DType):
        assert declared.literal == actual.name
    elif actual is None or isinstance(actual, (int, float, str)):
        assert declared.literal == actual or (actual != actual and declared.literal != declared.literal)
    else:
        assert not isinstance(declared, Const)


def positional(item: Any) -> list[inspect.Parameter] | None:
    """The parameters that can be given by position, None where Python cannot tell."""
    try:
        parameters = list(inspect.signature(item).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def disagreement(api: Api, item: Any) -> str | None:
    """Where the declared order of positional parameters leaves the real one."""
    real = positional(item)
    if real is None:
        return None
    names = [p.name for p in real]
    for index, (declared, _) in enumerate(api.params):
        if index >= len(real):
            return None
        if real[index].kind is inspect.Parameter.POSITIONAL_ONLY or names[index] == declared:
            continue
        if declared in names or index == 0:
            return f"{api.name}: {declared!r} is declared at {index}, the library has {names}"
        return None  # from here on keywords of other generations
    return None


@pytest.mark.parametrize("prefix", sorted(LIBRARIES))
def test_parameters_stand_in_the_declared_order(prefix: str) -> None:
    """TensorFlow 1 and 2 may differ: the declaration follows one of them."""
    wrong = []
    for name in checked(APIS, {prefix: None}):
        found = [disagreement(APIS[name], item) for item in resolved(name)]
        if found and None not in found:
            wrong.append(found[0])
    assert wrong == []


def test_methods_take_themselves_first() -> None:
    wrong = [n for n in checked(APIS, KINDS) if not APIS[n].params or APIS[n].params[0][0] != "self"]
    assert wrong == []


def test_methods_parameters_stand_in_the_declared_order() -> None:
    wrong = []
    for name in checked(APIS, KINDS):
        found = [disagreement(APIS[name], item) for item in resolved(name) if callable(item)]
        if found and None not in found:
            wrong.append(found[0])
    assert wrong == []


SOURCE = Source("case.py", "")
SCOPE = Scope(cst.Module([]), SOURCE, None)


def test_targets_are_operators() -> None:
    targets = {api.target for api in APIS.values() if isinstance(api.target, str)}
    assert sorted(targets - OPERATORS.keys()) in ([], ["unknown_call"])


def op_of(name: str, api: str, args: dict[str, Value]) -> Op:
    return Op(name, args, 7, api, SOURCE, SCOPE, cst.Pass(), None, {}, ())


def oddities() -> list[Value]:
    """Arguments that nobody means: every transfer function bears them."""
    op = op_of("outside", "-", {})
    witnesses = tuple(Witness(n, ((op, n),)) for n in (-1.0, 0.0, math.inf, math.nan, 3.0))
    return [
        NONE,
        UNKNOWN,
        Const("text"),
        Const(True),
        Const(-3),
        Const(0),
        Const(10**400),
        Const(math.nan),
        Const(1e300),
        Items(()),
        Items((UNKNOWN, Const(2)), complete=False),
        Items((Const(2), NONE, Const(-1))),
        Table({"a": UNKNOWN}),
        Tensor(op, EVERYTHING, witnesses, None, None),
        Tensor(op, EVERYTHING, witnesses, "float16", (None, 3)),
        Tensor(op, Interval(0.0, 0.0), witnesses[1:2], "float64", ()),
        Tensor(op, Interval(-math.inf, -math.inf), (), "int32", (2, 0)),
        Tensor(op, Interval(math.inf, math.inf), (), "bool", (1,)),
        Tensor(op, EVERYTHING, witnesses, "string", (4, 4)),
    ]


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_transfer_functions_are_total(name: str) -> None:
    """Whatever the arguments are, there is an answer, and each witness lies in its interval or is NaN."""
    apis = [api for api in APIS.values() if api.target == name]
    canonical = sorted({"x", "y", *(c for api in apis for _, c in api.params)})
    values = oddities()
    for shift in range(len(values)):
        for stride in (0, 1, 5):
            args = {c: values[(shift + i * stride) % len(values)] for i, c in enumerate(canonical)}
            for given in (args, {key: value for key, value in args.items() if value is not NONE}):
                facts = OPERATORS[name].transfer(op_of(name, "tf.case", dict(given)))
                for witness in facts.witnesses:
                    assert witness.value != witness.value or witness.value in facts.interval
