"""Questions that the value rules share: how a bad number gets to the op that it breaks, what guard it
passes on the way, and whether training sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import libcst as cst

from tflint_nan.graph import Graph, is_lost
from tflint_nan.interval import DEFAULT_FORMAT, EVERYTHING, Interval, round_to
from tflint_nan.ops.configuration import start
from tflint_nan.ops.points import same
from tflint_nan.ops.table import APIS, OPERATORS
from tflint_nan.value import Const, Items, Op, Tensor, Value, Witness, sources

#: Ops that hand a bad number on (scaled, shifted, bounded), so that a guard may stand on either side of them.
PASSING = frozenset(
    {"add", "sub", "mul", "div", "neg", "clip", "maximum", "minimum", "where", "refine"}
    | {"sum", "mean", "max", "min", "prod", "sqrt", "expand_dims", "complex"}
)
#: A constant that is added to stay off zero is no larger than this; `x + 1` means something else.
LARGEST_EPSILON = 1e-2
#: How far apart two logits are when the smaller one's share of the softmax rounds to exactly 0: the natural
#: logarithm of half the smallest subnormal (IEEE 754-2008, table 3.5), rounded up.
GAPS = {"float16": 18, "bfloat16": 104, "float32": 104, "float64": 746}
#: Libraries by the beginning of their normalised names; only arrays and frames have methods that compute.
LIBRARIES = (
    ("keras.ops", "keras.ops."),
    ("keras.backend", "keras.backend."),
    ("tf", "tf."),
    ("np", "np."),
    ("np", "rng."),
    ("np", "tensor."),
    ("pd", "pd."),
)
#: Ops that hold weights.
_WEIGHTS = frozenset({"variable", "dense", "conv", "embedding", "lstm", "gru", "rnn"})
#: Ops whose numbers the program itself gives.
_GIVEN = frozenset(
    {"constant", "zeros", "ones", "range", "linspace", "random_normal", "random_uniform"}
    | {"random_positive", "random_counts", "random_real", "random_integers", "rng", "generator"}
    | {"initial_values", "sample"}
)
#: What is 0 or 1: tests, and classes written as such.
BINARY = frozenset(
    {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "one_hot"}
    | {"logical_and", "logical_or", "logical_not"}
)
#: What says how many of these numbers there are, and by whom they are drawn.
_ABOUT = frozenset({"shape", "size", "seed", "dtype", "self", "initializer"})
#: Ops that are 0 where all elements of a row are.
_REDUCTIONS = frozenset({"sum", "mean", "max", "norm"})
#: How many ops are looked at around one op: what matters to it is near, and a file may be of any length.
NEAR = 2000


@dataclass(frozen=True, slots=True)
class Trail:
    """How a bad number gets to a sink.

    Attributes:
        value: the sink's argument that is bad.
        witness: the number there, with the inputs that make it so.
        chain: the ops from the one whose output is assumed to the sink, both included.
        producer: the last op on the chain that makes the number; `steps` only hand it on.
        steps: the ops between producer and sink, in order.
    """

    value: Value
    witness: Witness
    chain: tuple[Op, ...]
    producer: Op
    steps: tuple[Op, ...]

    @property
    def sink(self) -> Op:
        """The op that breaks."""
        return self.chain[-1]


def trails(graph: Graph, sink: Op, name: str, bad: Callable[[float], bool]) -> list[Trail]:
    """Every way in which a `bad` number is known to reach the argument `name` of `sink`.

    Those that assume least come first, of these the longest, of these the one that starts nearest to the sink
    (at a layer, not at its bias).
    """
    value = sink.arg(name)
    made, found = value.op, list[Trail]()
    for witness in value.witnesses:
        if made is None or not bad(witness.value) or any(graph.is_state(op) for op, _ in witness.inputs):
            continue
        seen = _seen_from(made, witness)
        assumed = [source for source, _ in seen.inputs]
        for source in assumed or [_certain(made) if witness.value == 0 else made]:
            # Through this argument: the other one may lead to the source as well, and shorter.
            chain = graph.path(source, made)
            if chain and not any(step in assumed for step in chain[1:]) and not _whole_row(chain):
                found.append(_trail(value, seen, (*chain, sink)))
    return sorted(
        found, key=lambda trail: (len(trail.witness.inputs), -len(trail.chain), -trail.chain[0].serial)
    )


def _certain(made: Op) -> Op:
    """What an element that is 0 without an assumption comes from, before factors that are not known."""
    for _ in range(NEAR):
        pair = (made.arg("x"), made.arg("y")) if made.name in ("mul", "div") else ()
        zero = next((v.op for v in pair if any(w.value == 0 and not w.inputs for w in v.witnesses)), None)
        if zero is None or all(value.witnesses for value in pair):
            break
        made = zero
    return made


def _seen_from(made: Op, witness: Witness) -> Witness:
    """The witness without the inputs that `made` sees only through other inputs, whose numbers are given."""
    if len(witness.inputs) < 2:
        return witness
    assumed = {op.serial for op, _ in witness.inputs}
    first = min(assumed)
    todo, seen = [made], {made.serial}
    for op in todo:
        if op.serial in assumed:
            continue
        for producer in op.operands:
            if producer.serial not in seen and producer.serial >= first:
                seen.add(producer.serial)
                todo.append(producer)
    return replace(witness, inputs=tuple(pair for pair in witness.inputs if pair[0].serial in seen))


def _whole_row(chain: tuple[Op, ...]) -> bool:
    """Whether the chain reduces a row of a softmax that nothing but literals has changed: it is not all 0."""
    if not any(step.name in _REDUCTIONS for step in chain):
        return False
    place = next((place for place, op in enumerate(chain) if squasher(op) == "softmax"), len(chain))
    for step in chain[place + 1 :]:
        if step.name in _REDUCTIONS and step.arg("axis").literal in (None, -1, _own_axis(chain[place])):
            return all(
                source is chain[place] or not leaf or number(source.value) is not None
                for source, leaf in ancestors(step, chain[place])
            )
    return False


def _own_axis(softmax: Op) -> object:
    """The axis of a softmax, or of the sum that one written by hand divides by."""
    fraction = None if softmax.name == "softmax" else quotient(softmax)
    total = None if fraction is None else total_of(fraction[1])
    return (softmax if total is None else total).arg("axis").literal


def _trail(value: Value, witness: Witness, chain: tuple[Op, ...]) -> Trail:
    place = len(chain) - 2
    while place > 0 and _hands_on(chain[place]):
        place -= 1
    return Trail(value, witness, chain, chain[place], chain[place + 1 : -1])


def _hands_on(op: Op) -> bool:
    unsigned = op.name == "abs" and op.arg("x").interval.lo >= 0
    return (op.name in PASSING or bool(op.flow) or unsigned) and squasher(op) is None


def squasher(op: Op) -> str | None:
    """Which of "softmax" and "sigmoid" `op` computes, by its name or by hand, None where neither."""
    if op.name in ("softmax", "sigmoid"):
        return op.name
    fraction = quotient(op)
    if fraction is None:
        return None
    above, below = fraction
    power, total, one = above.made_by("exp"), total_of(below), plus_one(below)
    if number(above) == 1 and one is not None:
        return "sigmoid"
    if power is not None and one is not None and same(one.arg("x"), power.arg("x")):
        return "sigmoid"
    power, part = exp_in(above), exp_in(total.arg("x")) if total is not None else None
    if power is not None and part is not None and same(part.arg("x"), power.arg("x")):
        return "softmax"
    return None


def exp_in(value: Value) -> Op | None:
    """The exp that makes `value`, weighted or masked by a product or not."""
    product = value.made_by("mul")
    factors = (value,) if product is None else (product.arg("x"), product.arg("y"))
    return next((power for factor in factors if (power := factor.made_by("exp")) is not None), None)


def total_of(value: Value, name: str = "sum") -> Op | None:
    """The sum over rows, or of that name, that makes `value`, with an epsilon added or not."""
    op = value.made_by("add")
    if op is None:
        return value.made_by(name)
    for one, other in (("x", "y"), ("y", "x")):
        if is_epsilon(number(op.arg(one)) or 0.0):
            return op.arg(other).made_by(name)
    return None


def quotient(op: Op) -> tuple[Value, Value] | None:
    """Dividend and divisor: of a division, of a product with a reciprocal, of a reciprocal."""
    if op.name == "div":
        return op.arg("x"), op.arg("y")
    if op.name == "reciprocal":
        return Const(1), op.arg("x")
    if op.name == "mul":
        for value, other in ((op.arg("x"), op.arg("y")), (op.arg("y"), op.arg("x"))):
            inverse = value.made_by("reciprocal")
            if inverse is not None:
                return other, inverse.arg("x")
    return None


def plus_one(value: Value) -> Op | None:
    """The exp that `value` is one more than."""
    op = value.op
    if op is None or op.name != "add":
        return None
    for one, other in ((op.arg("x"), op.arg("y")), (op.arg("y"), op.arg("x"))):
        if number(one) == 1:
            return other.made_by("exp")
    return None


def complement(value: Value) -> Value | None:
    """What `value` is one minus of."""
    op = value.op
    return op.arg("y") if op is not None and op.name == "sub" and number(op.arg("x")) == 1 else None


def number(value: Value) -> float | None:
    """The one finite number that a value is known to be."""
    low = value.interval.lo
    return low if value.interval.is_point and math.isfinite(low) else None


def as_written(value: Value) -> float | None:
    """The finite number that a constant was before it was stored in a format; None for what is none."""
    while (made := value.op) is not None and made.name in ("cast", "constant"):
        before = made.arg("x" if made.name == "cast" else "value")
        if not before.interval.is_point:
            break
        value = before
    return number(value)


def takes(op: Op, name: str) -> bool:
    """Whether what an op was called through has a parameter for the argument `name`, given or not."""
    api = APIS.get(op.api)
    return api is not None and any(canonical == name for _, canonical in api.params)


def is_written_in(op: Op, name: str) -> bool:
    """Whether the literal of an argument stands in the call itself: in no constant, option or setting."""
    return isinstance(op.nodes.get(name), (cst.Integer, cst.Float, cst.UnaryOperation, cst.SimpleString))


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that the bad number passes: `given` is its number as written, `stored` as the dtype holds it.

    `kind` is "added" (an epsilon in a sum), "swallowed" (an epsilon that was added to a literal first),
    "merged" (one that TensorFlow adds to a literal first), "lower" or "upper" (a bound of a clip). `name` is
    the argument of `op` that holds the number.
    """

    op: Op
    kind: str
    name: str
    given: float
    stored: float


def guard(trail: Trail) -> Guard | None:
    """The guard that the bad number passes, the nearest to the sink; None where none was tried."""
    dtype = trail.value.dtype
    for before, op in reversed(list(pairwise((trail.producer, *trail.steps)))):
        found = None
        if op.name == "div" and op.arg("y").op is before:
            return None  # What keeps a divisor off 0 does not keep the quotient off it.
        if op.name == "mul" and at(op, trail.witness) == 0 and at(before, trail.witness):
            return None  # the other factor is 0
        if op.name in ("add", "sub"):
            found = _added(op, "x", dtype) or _added(op, "y", dtype)
        elif op.name in ("clip", "maximum", "minimum"):
            found = _bound(op, at(op, trail.witness), dtype)
        if found is not None:
            return found
    return None


def _added(op: Op, name: str, dtype: str | None) -> Guard | None:
    """An epsilon among the operands of a sum, or one that a literal operand swallowed (`1e-10 + 1`)."""
    value = op.arg(name)
    given = as_written(value)
    if given is None:
        return None
    if is_epsilon(given):
        return Guard(op, "added", name, given, round_to(given, dtype))
    if given != round(given) and round_to(given, dtype) == round(given):
        return Guard(op, "swallowed", name, given - round(given), 0.0)
    inner = value.op
    if inner is not None and inner.name in ("add", "sub"):
        epsilons = [e for e in (number(inner.arg(part)) for part in ("x", "y")) if e and is_epsilon(e)]
        if epsilons:
            return Guard(op, "swallowed", name, epsilons[0], 0.0)
    return None


def is_epsilon(given: float) -> bool:
    """Whether a number is one that people add to stay off zero."""
    return 0 < abs(given) <= LARGEST_EPSILON


def _bound(op: Op, passed: float | None, dtype: str | None) -> Guard | None:
    """The bound of a clip at which the number that got through lies."""
    side = "lower" if op.name == "maximum" else "upper"
    kinds = {"min": "lower", "max": "upper"} if op.name == "clip" else {"x": side, "y": side}
    for name, kind in kinds.items():
        given = as_written(op.arg(name))
        if given is not None and round_to(given, dtype) == passed:
            return Guard(op, kind, name, given, round_to(given, dtype))
    return None


def at(op: Op, witness: Witness) -> float | None:
    """The number that `op` computes under the inputs of `witness`; None where its elements differ."""
    assumed = dict(witness.inputs)
    if op in assumed:
        return assumed[op]
    handed = op.arg(op.flow[0]).op if len(op.flow) == 1 else None
    if handed is not None and assumed.get(handed, math.nan) in op.value.interval:  # which a clip may bound
        return assumed[handed]
    fitting = [w for w in op.value.witnesses if all(assumed.get(source) == n for source, n in w.inputs)]
    if not op.value.witnesses:
        return _computed(op, witness)
    numbers = {w.value for w in fitting if len(w.inputs) == max(len(other.inputs) for other in fitting)}
    return numbers.pop() if len(numbers) == 1 else None


def _computed(op: Op, witness: Witness) -> float | None:
    """What an op of which nothing is known makes of the assumed numbers."""
    operator = OPERATORS.get(op.name)
    args: dict[str, Value] = {}
    for name, value in op.args.items():
        args[name] = value
        if value.op is not None:
            given = at(value.op, witness) if value.op.serial < op.serial else None
            if given is None:
                return None
            assumed = (Witness(given, witness.inputs),)
            args[name] = Tensor(value.op, EVERYTHING, assumed, value.dtype, value.shape)
    if operator is None or all(value.op is None for value in args.values()):
        return None
    found = {w.value for w in operator.transfer(replace(op, args=args)).witnesses}
    return found.pop() if len(found) == 1 else None


def gap(value: Value) -> int:
    """See `GAPS`."""
    return GAPS.get(value.dtype or DEFAULT_FORMAT, GAPS[DEFAULT_FORMAT])


def onward(graph: Graph, op: Op, through: Callable[[Op], bool]) -> Iterator[Op]:
    """What takes the output of `op`, directly or behind what it goes `through`: the nearest, each once."""
    todo, seen = [op], {op.serial}
    for current in islice(todo, NEAR):
        for consumer in graph.consumers(current):
            if consumer.serial not in seen:
                seen.add(consumer.serial)
                yield consumer
                if through(consumer):
                    todo.append(consumer)


def library(op: Op) -> str:
    """The library that an op belongs to; an operator belongs to that of its operands, else to TensorFlow."""
    for current, _ in ancestors(op):
        for name, prefix in LIBRARIES:
            if current.api.startswith(prefix):
                return name
    return "tf"


def ancestors(op: Op, until: Op | None = None) -> Iterator[tuple[Op, bool]]:
    """`op` and what it is computed from, the nearest, each with whether it takes no tensor itself.

    What `until` is computed from is left out.
    """
    todo, seen = [op], {op.serial}
    for current in islice(todo, NEAR):
        # What a variable starts from is not what it is.
        operands = () if current.name == "variable" or current is until else current.operands
        yield current, not operands
        for operand in operands:
            if operand.serial not in seen:
                seen.add(operand.serial)
                todo.append(operand)


def is_counted(trail: Trail) -> bool:
    """Whether the number is where a Python counter starts: a literal, which a loop or branch then changes."""
    if trail.witness.inputs:
        return False
    return any(
        op.name == "join" and any(number(value) is not None for value in op.args.values())
        for op, _ in ancestors(trail.producer)
    )


def is_trained(op: Op) -> bool:
    """Whether `op` computes from weights, so that a gradient goes through it."""
    return any(source.name in _WEIGHTS for source, _ in ancestors(op))


def is_steady(trail: Trail) -> bool:
    """Whether what goes bad is computed from trained variables of one number alone, which start elsewhere.

    An activation goes wherever some input takes it. One number (a gate, a temperature, the rate of a dropout)
    is where training leaves it: from a known start it has to be taken to the place where it is bad.
    """
    made, inputs = trail.value.op, trail.witness.inputs
    if made is None or all(_is_single(op) and n in _first(op) for op, n in inputs):
        return False
    leaves = [op for op, leaf in ancestors(made) if leaf and number(op.value) is None]
    return bool(leaves) and all(_is_single(op) and _is_known(_first(op)) for op in leaves)


def is_settled(graph: Graph, trail: Trail) -> bool:
    """Whether there are none but such variables, and they stay there: nothing differentiates them."""
    return is_steady(trail) and all(graph.differentiated(op) is False for op, _ in trail.witness.inputs)


def _is_single(op: Op) -> bool:
    shape = _initial(op).shape if isinstance(op.arg("initial_value"), Items) else op.value.shape
    return op.name == "variable" and shape is not None and all(length == 1 for length in shape)


def _initial(variable: Op) -> Value:
    """What a variable is given to start from, out of lists of one element."""
    value = variable.arg("initial_value")
    while isinstance(value, Items) and value.complete and len(value.items) == 1:
        value = value.items[0]
    return value


def _first(variable: Op) -> Interval:
    return start(_initial(variable))


def _is_known(interval: Interval) -> bool:
    return math.isfinite(interval.lo) and math.isfinite(interval.hi)


def is_made_up(op: Op) -> bool:
    """Whether `op` computes from literals and random samples alone: its numbers are what its author gave.

    Python's counters, joins of numbers, are such numbers too. How many are drawn may be anything.
    """
    todo, seen = [op], {op.serial}
    for current in islice(todo, NEAR):
        if current.name == "overwritten":
            return False  # by numbers that are not followed
        given = current.name in _GIVEN
        args = {} if current.name == "variable" else current.args
        values = [value for name, value in args.items() if not (given and name in _ABOUT)]
        operands = {source.serial: source for value in values for source in sources(value)}
        counted = current.name == "join" and all(number(value) is not None for value in args.values())
        if not given and not counted and (not operands or any(map(is_lost, args.values()))):
            return False
        todo += [operand for serial, operand in operands.items() if serial not in seen]
        seen |= operands.keys()
    return True
