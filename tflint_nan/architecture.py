"""Questions about the layers of a network: what stands between them, how wide they are, what they belong to.

A *layer* here is an op that multiplies data with a trained kernel: a dense or convolutional layer of a
library, or a product with a variable. Where something is not known, the answer is None or empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

from tflint_nan.evidence import onward
from tflint_nan.graph import MONITORS, Graph
from tflint_nan.ops.points import integer
from tflint_nan.training import ends, made_only_by
from tflint_nan.value import NONE, Const, Items, Object, Op, Value

#: Ops that may be layers.
LAYERS = ("dense", "conv", "matmul")
#: Ops after which a linear function of a layer's output is the same function, or the mean of it.
LINEAR_STEPS = frozenset(
    {"reshape", "squeeze", "expand_dims", "transpose", "cast", "identity", "flatten", "dropout", "avg_pool"}
)
#: Ops that bend what they are given.
ACTIVATIONS = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "swish", "softplus", "softsign"}
    | {"sigmoid", "hard_sigmoid", "tanh", "softmax", "threshold"}
)
#: What else stands between two layers of one chain.
_BETWEEN = frozenset({"batch_norm", "layer_norm", "max_pool"})
#: How many steps stand between two layers at most.
_FEW = 50
#: Ops that ask for the form of a tensor, not for its numbers.
_ASKING = frozenset({"shape", "size"})
#: Convolutions whose kernel is a factor of a larger one, or spreads what it is given.
_FACTORS = ("depthwise", "separable", "transpose")


def is_layer(op: Op) -> bool:
    """Whether `op` multiplies data with a trained kernel."""
    if op.name == "dense":
        return "units" in op.args  # the projections of an attention are not seen one by one
    if op.name == "conv":
        return "filters" in op.args or _trained(op.arg("kernel")) is not None
    return op.name == "matmul" and (_trained(op.arg("x")) is None) != (_trained(op.arg("y")) is None)


def _trained(value: Value) -> Op | None:
    """The trained variable that `value` is, reshaped or transposed."""
    made = made_only_by(value, "variable")
    return made if made is not None and made.arg("trainable").literal is not False else None


def kernel(op: Op) -> Op | None:
    """The variable that a layer written by hand multiplies with; None where the layer makes its own."""
    if op.name == "matmul":
        return _trained(op.arg("y")) or _trained(op.arg("x"))
    return _trained(op.arg("kernel")) if op.name == "conv" else None


def data(op: Op) -> Value:
    """What a layer is applied to."""
    return op.arg("y") if op.name == "matmul" and _trained(op.arg("y")) is None else op.arg("x")


def setting(op: Op, *names: str) -> Value:
    """What a layer of a library is given by the first of these names that it is given, else NONE."""
    layer = op.arg("layer")
    for name in names:
        given = op.args.get(name, layer.config(name) if isinstance(layer, Object) else NONE)
        if given is not NONE:
            return given
    return NONE


def is_trained(op: Op) -> bool:
    """False for a layer that the program freezes."""
    layer = op.arg("layer")
    if not isinstance(layer, Object):
        return True
    return layer.attrs.get("trainable", layer.config("trainable")).literal is not False


def _name(op: Op) -> str:
    """The normalised name through which the program has a layer."""
    layer = op.arg("layer")
    return layer.api if isinstance(layer, Object) else op.api


# Sizes.


def units(op: Op) -> int | None:
    """How many numbers a layer gives for each row or pixel."""
    given = integer(setting(op, "filters", "units"))
    if given is not None:
        return given
    made = kernel(op)
    shape = op.value.shape
    if made is not None and (op.name == "conv" or (shape is None and _gives_columns(op, made))):
        shape = made.value.shape
    return shape[-1] if shape else None


def _gives_columns(op: Op, made: Op) -> bool:
    """Whether a product has the columns of its kernel, however many axes the data has."""
    turned = (op.arg(name) for name in ("transpose_b", "adjoint_b"))
    return op.arg("y") is made.value and all(given is NONE for given in turned)


def width(op: Op) -> int | None:
    """How many numbers a layer gets for each row or pixel."""
    shape = data(op).shape
    if shape and shape[-1] is not None:
        return shape[-1]
    made = kernel(op)
    if made is not None and made.value.shape is not None and len(made.value.shape) > 1:
        inputs = made.value.shape[-2]
        if inputs is not None:
            return inputs
    before, steps = layer_before(data(op))
    return units(before) if before is not None and all(_keeps_width(step) for step in steps) else None


def _keeps_width(step: Op) -> bool:
    return is_bias(step) or step.name in ACTIVATIONS or step.name in ("identity", "cast", "dropout")


def fan_in(op: Op) -> int | None:
    """How many numbers each unit of a layer sums up: of a convolution, all of its window."""
    inputs = width(op)
    if inputs is None or op.name != "conv":
        return inputs
    lengths = [length for length in _window(op) if length is not None]
    return inputs * math.prod(lengths) if lengths and len(lengths) == len(_window(op)) else None


def _window(op: Op) -> list[int | None]:
    """Along each axis, the length of a convolution's window."""
    made, size = kernel(op), setting(op, "kernel_size")
    if made is not None:
        return list((made.value.shape or ())[:-2])
    if isinstance(size, Items):
        return [integer(item) for item in size.items]
    axes = next((axes for axes in (1, 2, 3) if f"{axes}d" in _name(op).lower()), 0)
    return [integer(size)] * axes


def is_factor(op: Op) -> bool:
    """Whether a layer is a convolution along one axis, of each channel by itself, or a transposed one."""
    if op.name != "conv":
        return False
    return len(set(_window(op))) > 1 or any(word in _name(op).lower() for word in _FACTORS)


# What stands between layers.


def is_bias(op: Op) -> bool:
    """Whether `op` adds a trained variable or a number to what it is given."""
    return op.name in ("add", "sub") and any(
        isinstance(value, Const) or _trained(value) is not None for value in op.args.values()
    )


def is_linear_step(op: Op) -> bool:
    """Whether a linear function before `op` is one behind it: `op` hands on, averages, or adds a bias."""
    return op.name in LINEAR_STEPS or is_bias(op)


def is_step(op: Op) -> bool:
    """Whether `op` stands between two layers of one chain: activation, normalisation, pool, bias."""
    return is_linear_step(op) or op.name in ACTIVATIONS or op.name in _BETWEEN


def biases(graph: Graph, op: Op) -> list[Op]:
    """The variables that are added to what a layer written by hand gives."""
    added = [value for step in graph.consumers(op) if is_bias(step) for value in step.args.values()]
    return [made for value in added if (made := _trained(value)) is not None]


def has_bias(graph: Graph, op: Op) -> bool:
    """Whether a layer adds a bias: its own, or one that is written behind it."""
    return bool(biases(graph, op)) if kernel(op) else setting(op, "use_bias").literal is not False


def readers(graph: Graph, op: Op) -> list[Op]:
    """What computes with the output of a layer, behind linear steps; logs, prints and shapes left out."""
    return [
        reader
        for reader in onward(graph, op, is_linear_step)
        if not is_linear_step(reader) and reader.name not in _ASKING and not reader.api.startswith(MONITORS)
    ]


def activation(graph: Graph, op: Op) -> Op | None:
    """The activation of a layer, where nothing else reads its output."""
    found = readers(graph, op)
    return found[0] if len(found) == 1 and found[0].name in ACTIVATIONS else None


def layer_before(value: Value) -> tuple[Op | None, list[Op]]:
    """The layer whose output `value` is, and the steps of one chain between, the last one first."""
    steps: list[Op] = []
    while (op := value.op) is not None and not is_layer(op) and is_step(op) and len(steps) < _FEW:
        given = [
            arg
            for name, arg in op.args.items()
            if name != "layer" and arg.op is not None and _trained(arg) is None
        ]
        if len(given) != 1:
            return None, []
        steps.append(op)
        value = given[0]
    return (op, steps) if op is not None and is_layer(op) else (None, [])


def behind(graph: Graph, op: Op) -> list[Op]:
    """The layers that the output of a layer reaches through steps of one chain."""
    return [reader for reader in onward(graph, op, is_step) if is_layer(reader)]


def fed(graph: Graph, op: Op) -> Op | None:
    """The layer that alone reads the output of a layer, as it is; None where anything else does."""
    found = readers(graph, op)
    steps = [step for step in onward(graph, op, is_linear_step) if is_linear_step(step)]
    if len(found) != 1 or any(graph.escapes(step) for step in (op, *steps)):
        return None
    return found[0] if is_layer(found[0]) else None


def may_hand_back(graph: Graph, chain: Sequence[Op]) -> bool:
    """Whether a gradient may come back through layers or activations that follow each other.

    False where it is shown that nothing differentiates what the last one gives. A chain that reads a kernel
    again is a network of tied weights, or one that is run there and back to draw samples (a Boltzmann
    machine, whose weights the program moves without a gradient): of it the gradient has to be shown.
    """
    taken = graph.differentiated(chain[-1])
    if taken is None:
        layers = (layer_before(op.value)[0] for op in chain)
        kernels = [made.serial for layer in layers if layer is not None and (made := kernel(layer))]
        return len(set(kernels)) == len(kernels)
    return taken


def outputs(graph: Graph) -> frozenset[int]:
    """The ops, by serial number, that make a loss's prediction, or the output of a model object."""
    given = [op.arg("y_pred") for op in graph.ops() if "y_pred" in op.args]
    given += [op.arg("x") for op in graph.ops("log")]
    for made in graph.ops("model"):
        if isinstance(made.value, Object):
            given.append(made.value.attrs.get("output", NONE))
    return frozenset(op.serial for value in given for op in ends(value))


class Network:
    """The layers of a program."""

    def __init__(self, graph: Graph) -> None:
        """All that `graph` has."""
        self._graph = graph
        self.layers: Sequence[Op] = [op for op in graph.ops(*LAYERS) if is_layer(op)]

    @cached_property
    def _tops(self) -> frozenset[int]:
        """The identities of the expressions whose layers make the output of a model object."""
        found = set()
        for made in self._graph.ops("model"):
            output = made.value.attrs.get("output", NONE) if isinstance(made.value, Object) else NONE
            for end in ends(output, tuple(LINEAR_STEPS)):
                below = (
                    [source for value in end.args.values() for source in ends(value)] if is_bias(end) else ()
                )
                found |= {id(op.node) for op in (end, *below)}
        return frozenset(found)

    @cached_property
    def _first(self) -> dict[object, object]:
        """Call of the project -> the place of the first layer in it, None where there are several."""
        first: dict[object, object] = {}
        for op in self.layers:
            place = (id(op.node), op.calls)
            for depth in range(1, len(op.calls) + 1):
                if first.setdefault(op.calls[:depth], place) != place:
                    first[op.calls[:depth]] = None
        return first

    def joined(self, one: Op, other: Op) -> bool:
        """Whether two layers, the second behind the first, belong to one part of the program.

        False where the first makes the output of a model object, and where a call of the project that has
        several layers has one of the two and not the other: a generator and its discriminator, a trunk and
        its head.
        """
        if id(one.node) in self._tops:
            return False
        pairs = zip(one.calls, other.calls, strict=False)
        common = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one.calls), len(other.calls)))
        return all(
            len(op.calls) == common or self._first[op.calls[: common + 1]] is not None for op in (one, other)
        )

    def rows(self, names: frozenset[str]) -> Iterator[list[Op]]:
        """Activations of these names in hidden layers, each fed by the one before through a layer.

        The longest rows; no normalisation, no other activation and no sum of tensors stands between.
        """
        # op -> the layer or activation whose numbers it hands on
        state: dict[int, Op] = {}
        before: dict[int, Op] = {}
        hidden: list[Op] = []
        layers = {layer.serial for layer in self.layers}
        for op in self._graph.ops():
            given = next((state[s.serial] for s in op.operands if s.serial in state), None)
            if op.serial in layers:
                state[op.serial] = op
                if given is not None and given.name in names:
                    before[op.serial] = given
                    hidden.append(given)
            elif given is None:
                continue
            elif op.name in names and given.serial in layers:
                state[op.serial] = op
                if given.serial in before:
                    before[op.serial] = before[given.serial]
            elif is_linear_step(op) or (op.name == "max_pool" and given.name in names):
                state[op.serial] = given
        inner = {before[op.serial].serial for op in hidden if op.serial in before}
        for last in {op.serial: op for op in hidden if op.serial not in inner}.values():
            row = [last]
            while row[-1].serial in before:
                row.append(before[row[-1].serial])
            yield row[::-1]


def everywhere(graph: Graph, ops: Sequence[Op]) -> bool:
    """Whether the expressions of `ops` make no other op of the same name, so that they change alone."""
    own = {op.serial for op in ops}
    places = {id(op.node) for op in ops}
    others = graph.ops(*{op.name for op in ops})
    return all(other.serial in own for other in others if id(other.node) in places)
