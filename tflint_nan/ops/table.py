"""The operator table: what each TensorFlow, Keras and NumPy name means.

Two dictionaries, filled by the other modules of this package when it is imported:

* `OPERATORS`: canonical name -> `Operator`, with the one transfer function of that operation;
* `APIS`: normalised API name -> `Api`, its parameters in order and what it does: an operator, or a
  handler for what is more than one operation (a layer, a model, a session).

API names are normalised: `tf.` for TensorFlow 1, 2 and `tf.compat.v1`; `keras.` for `tf.keras` and
Keras 3; `np.` for NumPy. Methods are named by the kind of their receiver: `model.compile`,
`tensor.sum`, `session.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

import libcst as cst

from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.record import record
from tflint_nan.value import NONE, Object, Op, Shape, Value, Witness


@record()
class Facts:
    """What a transfer function says of a result."""

    interval: Interval = EVERYTHING
    witnesses: tuple[Witness, ...] = ()
    dtype: str | None = None
    shape: Shape = None


Transfer = Callable[[Op], Facts]
Narrow = Callable[[Mapping[str, Value]], Mapping[str, Value]]


@record()
class Operator:
    """One canonical operation.

    `flow` names the arguments whose numbers the result consists of, unchanged (reshape, cast, join).
    `differentiable` is False where no gradient passes (argmax, comparisons, stop_gradient). `narrow` replaces
    an operand by the part of it that is taken.
    """

    name: str
    transfer: Transfer
    flow: tuple[str, ...] = ()
    differentiable: bool = True
    narrow: Narrow | None = None


OPERATORS: dict[str, Operator] = {}


def operator(
    name: str, *, flow: Sequence[str] = (), differentiable: bool = True, narrow: Narrow | None = None
) -> Callable[[Transfer], Transfer]:
    """Register the transfer function of the canonical operation `name`."""

    def register(transfer: Transfer) -> Transfer:
        if name in OPERATORS:
            raise ValueError(f"operator {name!r} is registered twice")
        OPERATORS[name] = Operator(name, transfer, tuple(flow), differentiable, narrow)
        return transfer

    return register


@record(eq=False)
class Call:
    """A call of a library name with its arguments bound to canonical names.

    `rest` holds positional arguments past the declared parameters, `extra` undeclared keywords.
    `complete` is False where a `*args` or `**kwargs` of unknown content may give more.
    """

    api: str
    args: dict[str, Value]
    nodes: Mapping[str, cst.BaseExpression]
    node: cst.CSTNode
    rest: tuple[Value, ...] = ()
    extra: Mapping[str, Value] = field(default_factory=dict)
    complete: bool = True

    def arg(self, name: str) -> Value:
        """The argument, `NONE` where it is not given."""
        return self.args.get(name, NONE)


class Machine(Protocol):
    """What a handler may ask of the build."""

    def emit(
        self,
        name: str,
        args: Mapping[str, Value],
        *,
        call: Call | None = None,
        at: Op | None = None,
    ) -> Value:
        """Add an op to the graph and return its value.

        The op stands at `call` (with its argument nodes), else where `at` stands (a layer's ops
        stand at the layer's constructor), else at the expression being evaluated.
        """

    def call(self, function: Value, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Call any value: a project's function, a library symbol, a layer, a model."""

    def new(self, kind: str, call: Call, **attrs: Value) -> Object:
        """A library object; its constructor becomes an op named `kind` with the call's arguments."""

    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`, UNKNOWN where nothing is known of it."""

    def set(self, receiver: Object, name: str, value: Value) -> None:
        """`receiver.name = value`, undone when the branch ends."""

    def overwrite(self, value: Value, *, resized: bool = False) -> None:
        """Elements of an array, or of what it is a view of, are written."""

    def option(self, name: str, default: Value) -> Value:
        """The setting `name` in the run that is read: its default, or what a test of it asks for."""

    def elements(self, value: Value) -> Sequence[Value] | None:
        """The elements of a tuple or list that is known whole, else None."""


Handler = Callable[[Machine, Call], Value]


@record()
class Api:
    """A library callable: parameters in order as (name in the API, canonical name)."""

    name: str
    params: tuple[tuple[str, str], ...]
    target: str | Handler
    fixed: Mapping[str, Value]
    removed: str | None = None


APIS: dict[str, Api] = {}
#: normalised name -> the value of a constant (`np.pi`, `tf.float16`) or of an object (`tf.app.flags.FLAGS`).
CONSTANTS: dict[str, Value] = {}
#: normalised name of a library class that projects derive from -> kind of its instances.
BASES: dict[str, str] = {}


def api(
    names: str, target: str | Handler, signature: str, *, removed: str | None = None, **fixed: Value
) -> None:
    """Declare API names that mean `target` (an operator's name or a handler).

    Args:
        names: normalised names separated by white space.
        target: canonical operator, or a handler.
        signature: parameters in positional order; `real:canonical` where the names differ, so
            `"input_tensor:x axis keepdims name reduction_indices:axis"`. Methods start with `self`.
        removed: the last TensorFlow version that had the names, where the installed one lacks them.
        fixed: canonical arguments that the name itself implies (`algorithm=Const("adam")`).
    """
    params = []
    for word in signature.split():
        real, _, canonical = word.partition(":")
        params.append((real, canonical or real))
    for name in names.split():
        if name in APIS:
            raise ValueError(f"API {name!r} is declared twice")
        APIS[name] = Api(name, tuple(params), target, fixed, removed)
