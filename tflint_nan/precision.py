"""Questions about half precision: which policy layers are made under, and which weights are stored in it."""

from __future__ import annotations

from tflint_nan.graph import Graph
from tflint_nan.training import ancestors
from tflint_nan.value import Object, Op, Value, sources

#: Calls that say in which format layers that come after them compute and keep their weights.
_SETTERS = ("set_global_policy", "set_policy", "set_dtype_policy", "set_floatx")
#: The names of formats and policies, and of what holds one.
HALF = ("float16", "half")
MIXED = "mixed_float16"


def policy(graph: Graph, at: Op) -> str | None:
    """The policy that is in force where `at` stands: `float16`, `mixed_float16`; None where none was set."""
    found = None
    for op in graph.ops("unknown_call"):
        if op.serial < at.serial and op.api.rpartition(".")[2] in _SETTERS:
            found = _name(op.arg("0"))
    return found


def _name(value: Value) -> str | None:
    """The name of a policy: a string, or what an object was made with."""
    made = value.op
    given = value.literal if made is None else made.arg("0").literal
    return given if isinstance(given, str) else None


def policy_of(graph: Graph, layer: Object) -> str | None:
    """The policy of a layer: its own `dtype`, else the one that is in force where it is made."""
    own = layer.config("dtype")
    if own.literal is not None:
        return _name(own)
    return policy(graph, layer.made) if layer.made is not None else None


def half_weights(graph: Graph, optimizer: Op) -> bool:
    """Whether an optimizer moves weights that are kept in float16."""
    losses: list[Value] = []
    for step in graph.ops("minimize", "compile", "apply_gradients"):
        if optimizer in sources(step.arg("optimizer")):
            given = ancestors(step.arg("gradients")).values()
            losses += [step.arg("loss"), *(op.arg("loss") for op in given if op.name == "gradients")]
    for loss in losses:
        for op in ancestors(loss).values():
            layer = op.arg("layer")
            if op.name == "variable" and op.value.dtype in HALF:
                return True
            if isinstance(layer, Object) and op.name in ("dense", "conv") and policy_of(graph, layer) in HALF:
                return True
    return False
