"""What a name can hold while a program is read: tensors, numbers, containers, functions, objects.

A `Value` is immutable; what changes (attributes of an object, variables of a scope) lives in dicts
that the build journals, so that both branches of an `if` start from the same state.

Every value answers the same small set of questions, with "unknown" as the default answer, so that a
rule needs no type test: `interval`, `witnesses`, `dtype`, `shape`, `op`.

Two approximations travel side by side:

* `interval` holds *every* value the program can compute (an over-approximation: proves safety);
* `witnesses` are values that *are* reached, each with the inputs that do it (an under-approximation:
  proves the bug). Unknown data has no witnesses; the output of a trained linear layer has several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libcst as cst

from tflint_nan.interval import EVERYTHING, Interval
from tflint_nan.record import record

if TYPE_CHECKING:
    from tflint_nan.source import Source

#: A tensor's shape: None where the rank is unknown, None for an axis of unknown length.
Shape = tuple[int | None, ...] | None


@record()
class Witness:
    """A number that a tensor's element reaches, and the inputs that make it so.

    `inputs` pairs a source (an op whose output training or data can set at will) with the number
    assumed for it, sorted by the op's serial. Two witnesses combine only if they agree on every
    source they share: that is how `p` and `1 - p` are known not to be 0 together.
    """

    value: float
    inputs: tuple[tuple[Op, float], ...] = ()

    def joined(self, other: Witness) -> tuple[tuple[Op, float], ...] | None:
        """The inputs under which both hold, None where they contradict each other."""
        if not self.inputs:
            return other.inputs
        if not other.inputs or self.inputs == other.inputs:
            return self.inputs
        merged = dict(self.inputs)
        for op, number in other.inputs:
            if merged.setdefault(op, number) != number:
                return None
        # New ones stand behind those of `self`: most often they are younger, too.
        return tuple(sorted(merged.items(), key=_serial))


def _serial(given: tuple[Op, float]) -> int:
    return given[0].serial


class Value:
    """Anything a name can hold. The defaults say "not known"."""

    __slots__ = ()

    @property
    def interval(self) -> Interval:
        """Bounds of every element, as numbers of `dtype`."""
        return EVERYTHING

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """Numbers that are reached."""
        return ()

    @property
    def dtype(self) -> str | None:
        """Name of the format (`float32`), None where it is not known."""
        return None

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return None

    @property
    def op(self) -> Op | None:
        """The op that made the value."""
        return None

    @property
    def literal(self) -> object:
        """The Python object of a `Const`, and `UNSET` for everything else."""
        return UNSET

    def reaches(self, bad: Callable[[float], bool]) -> Witness | None:
        """The first witness whose number is `bad`, None where none is known."""
        return next((w for w in self.witnesses if bad(w.value)), None)

    def made_by(self, *names: str) -> Op | None:
        """The op of one of these canonical names whose output this is, looked up through ops that
        hand values on unchanged (reshape, cast, slice, gather, a join of branches, ...)."""
        return next((op for op in self.producers() if op.name in names), None)

    def producers(self) -> Iterator[Op]:
        """The ops whose numbers these are: walks back through value-preserving ops, nearest first.

        The value-preserving ops themselves come too, before what they hand on. Each op once.
        """
        todo: list[Value] = [self]
        seen: set[int] = set()
        while todo:
            op = todo.pop().op
            if op is None or op.serial in seen:
                continue
            seen.add(op.serial)
            yield op
            for name in reversed(op.flow):
                value = op.args.get(name, NONE)
                todo.extend(reversed(value.items) if isinstance(value, Items) else (value,))


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET = _Unset()


@record(eq=False)
class Unknown(Value):
    """Nothing is known; `origin` names the op (a parameter, a foreign call) so that two uses of one
    unknown are seen to be the same."""

    origin: Op | None = None

    @property
    def op(self) -> Op | None:
        """The op that made the value."""
        return self.origin


UNKNOWN = Unknown()


@record(eq=False)
class Length(Unknown):
    """How many elements something has: one whole number, which is not known."""

    @property
    def shape(self) -> Shape:
        """No axes."""
        return ()


@record()
class Const(Value):
    """A Python number, string, bytes, bool, None or Ellipsis."""

    value: object

    @property
    def literal(self) -> object:
        """The Python object."""
        return self.value

    @property
    def number(self) -> float | None:
        """The value as a float where it is a number (bool counts), else None."""
        if isinstance(self.value, (bool, int, float)):
            try:
                return float(self.value)
            except OverflowError:
                return float("inf") if self.value > 0 else float("-inf")
        return None

    @property
    def interval(self) -> Interval:
        """The number as a point."""
        number = self.number
        return EVERYTHING if number is None or number != number else Interval(number, number)

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """The number itself, whatever the inputs."""
        number = self.number
        return () if number is None or number != number else (Witness(number),)

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return None if self.number is None else ()


NONE = Const(None)


@record()
class Option(Const):
    """The word or switch that a setting of the command line is, by default or in the run that is read."""

    name: str = ""


@record()
class Format(Const):
    """The name of the format that something has: of the output of an op, of what a layer computes."""

    of: Op | None = None


@record(eq=False)
class Tensor(Value):
    """A tensor, array or data frame: the output of `made` (an op of the graph).

    `interval` bounds its elements, in the numbers of `dtype` (None: float32 assumed).
    """

    made: Op
    interval: Interval = EVERYTHING
    witnesses: tuple[Witness, ...] = ()
    dtype: str | None = None
    shape: Shape = None

    @property
    def op(self) -> Op | None:
        """The op that made the value."""
        return self.made


@record(eq=False)
class Items(Value):
    """A tuple, list or set with known elements; `complete` is False where more may follow.

    `first` is the container as it was made, where this is what writes have left of it.
    """

    items: tuple[Value, ...]
    kind: str = "tuple"
    complete: bool = True
    first: Value | None = None


@record(eq=False)
class Table(Value):
    """A dict with literal keys; `complete` is False where other keys may exist.

    `factory` makes the value of a key that is missing (`defaultdict`). `first` is as for `Items`.
    """

    items: Mapping[Any, Value]
    complete: bool = True
    factory: Value | None = None
    first: Value | None = None


@record()
class Symbol(Value):
    """A module, function or class of a library, by its normalised dotted name.

    `tf.nn.softmax`, `keras.layers.Dense`, `np.log`, `sklearn.preprocessing.StandardScaler`. How the
    file spells it is the business of the rewriter.
    """

    name: str


@record(eq=False)
class Module(Value):
    """A module of the project, with its variables."""

    path: Path
    scope: Scope


@record()
class Import(Value):
    """A module of the project, or a name in it, that is read when it is first used."""

    path: Path
    name: str | None = None


@record(eq=False)
class Function(Value):
    """A `def` or `lambda` of the project with the scope it closes over.

    `attrs` holds what is assigned to its attributes, written only through the build's journal.
    """

    node: cst.FunctionDef | cst.Lambda
    source: Source
    scope: Scope
    defaults: Mapping[str, Value]
    owner: Class | None = None
    bound: Value | None = None
    kind: str = "function"  # function, property, staticmethod, classmethod
    attrs: dict[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the definition."""
        return self.node.name.value if isinstance(self.node, cst.FunctionDef) else "<lambda>"


@record(eq=False)
class Class(Value):
    """A class of the project. `names` is its namespace."""

    name: str
    node: cst.ClassDef
    source: Source
    bases: tuple[Value, ...]
    names: dict[str, Value]


@record(eq=False)
class Object(Value):
    """An instance: of a project's class (`cls`), or of a library's (`kind`, such as "layer",
    "model", "optimizer", "dataset"; `api` the normalised name that made it).

    `attrs` is mutable state, written only through the build's journal. `made` is the op of the
    constructor call, whose arguments are the object's configuration.
    """

    kind: str
    api: str
    attrs: dict[str, Value] = field(default_factory=dict)
    cls: Class | None = None
    made: Op | None = None

    @property
    def op(self) -> Op | None:
        """The op that made the value."""
        return self.made

    def config(self, name: str) -> Value:
        """The constructor's argument of that canonical name, UNKNOWN-free: `NONE` where not given."""
        return self.made.arg(name) if self.made else NONE


@record(eq=False)
class Method(Value):
    """A library object's method before the call: `receiver.name`."""

    receiver: Value
    name: str


@record(eq=False)
class OneOf(Value):
    """One of a few values that are not all tensors, after branches joined."""

    choices: tuple[Value, ...]


@dataclass(slots=True, eq=False)
class Op:
    """One operation of the program: a node of the graph.

    Attributes:
        name: canonical name (`softmax`, `log`, `minimize`), the key of the operator table.
        args: canonical argument name -> value, as given (absent where not given).
        serial: running number in order of evaluation; sorts a graph's ops.
        api: normalised name through which the program called it (`tf.log`), or the operator (`-`).
        node: the expression or statement that computes it.
        nodes: canonical argument name -> the expression of that argument.
        flow: names of the arguments whose numbers it hands on unchanged.
        calls: the call expressions (with their files) through which this place was reached.
    """

    name: str
    args: dict[str, Value]
    serial: int
    api: str
    source: Source
    scope: Scope
    node: cst.CSTNode
    statement: cst.CSTNode | None
    nodes: Mapping[str, cst.BaseExpression]
    flow: Sequence[str] = ()
    calls: tuple[tuple[Source, cst.CSTNode], ...] = ()
    value: Value = UNKNOWN
    _operands: tuple[Op, ...] | None = field(default=None, init=False, repr=False)

    @property
    def operands(self) -> tuple[Op, ...]:
        """The ops whose outputs it takes, in order of its arguments; kept, since questions go this way."""
        if self._operands is None:
            found: list[Op] = []
            for value in self.args.values():
                if (op := value.op) is not None:
                    found.append(op)
                elif isinstance(value, _HOLDERS):
                    found += _in_elements(value)
            self._operands = tuple(found)
        return self._operands

    def arg(self, name: str) -> Value:
        """The argument, `NONE` where the call does not give it."""
        return self.args.get(name, NONE)

    def __repr__(self) -> str:
        return f"<{self.name} #{self.serial}>"


@dataclass(slots=True, eq=False)
class Binding:
    """`name` got `value` by `statement`, after the op numbered `serial`."""

    serial: int
    name: str
    value: Value
    statement: cst.CSTNode | None


@dataclass(slots=True, eq=False)
class Scope:
    """A module's, class's or call's variables.

    `history` holds every binding in order, across branches: the spelling asks it which name holds a
    value at a place. `captured` tells that a function closes over it.
    """

    node: cst.CSTNode
    source: Source
    parent: Scope | None
    names: dict[str, Value] = field(default_factory=dict)
    history: list[Binding] = field(default_factory=list)
    captured: bool = False


#: Values that are made of others.
_HOLDERS = (Items, Table, OneOf)


def sources(value: Value) -> Sequence[Op]:
    """The ops whose outputs a value holds: its own, or those of its elements."""
    op = value.op
    if op is not None:
        return (op,)
    return tuple(_in_elements(value)) if isinstance(value, _HOLDERS) else ()


def _in_elements(value: Value) -> Iterator[Op]:
    todo = [value]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue  # `v = (v, v)` again and again is a tree of any size with few values
        seen.add(id(one))
        if one.op is not None:
            yield one.op
        elif isinstance(one, Items):
            todo.extend(reversed(one.items))
        elif isinstance(one, Table):
            todo.extend(reversed(list(one.items.values())))
        elif isinstance(one, OneOf):
            todo.extend(reversed(one.choices))
