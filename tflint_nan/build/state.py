"""The state of the walk: frames, the journal that lets both branches start alike, and new ops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import libcst as cst

from tflint_nan.build.fold import truth
from tflint_nan.ops.policies import GOVERNED, OWN, in_force
from tflint_nan.ops.table import OPERATORS, Call
from tflint_nan.record import record
from tflint_nan.source import Source
from tflint_nan.value import (
    NONE,
    UNKNOWN,
    Binding,
    Const,
    Function,
    Import,
    Items,
    Object,
    OneOf,
    Op,
    Option,
    Scope,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)

#: Alternatives that are kept apart after branches meet; more become unknown.
MAX_CHOICES = 6
#: Elements of a join's tuples, dicts; nesting past this is unknown.
MAX_JOIN_DEPTH = 6


class Known(dict[tuple[int, ...], Value]):
    """What tests have said of expressions that have no name, by the ops that they asked about.

    Each is an `Items` of the value (of two for what is said of their difference), the comparison's canonical
    name, and what it is with. It holds in a branch, and behind it where the others leave.
    """


@record(eq=False)
class Choice:
    """What `value` is where `test` holds, and where it does not."""

    value: Value
    test: Value
    sides: tuple[Value, Value]


@dataclass(slots=True)
class Frame:
    """One activation: of a module, a class body or a function."""

    scope: Scope
    calls: tuple[tuple[Source, cst.CSTNode], ...] = ()
    function: Function | None = None
    receiver: Value | None = None
    statement: cst.CSTNode | None = None
    returns: list[Value] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    #: Lists and dicts that this activation made, by identity: writes to them are its own business.
    made: dict[int, Value] = field(default_factory=dict)
    #: Open branches when it began.
    forks: int = 0
    outer_names: dict[str, Scope] = field(default_factory=dict)
    known: Known = field(default_factory=Known)


#: A word that is no other.
ANOTHER = "\0"
Change = tuple[dict[Any, Value], Any, Value | None]


class State(ABC):
    """What the parts of the walk share."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.frames: list[Frame] = []
        #: The activation being walked, the last of `frames`.
        self.frame: Frame
        self.node: cst.CSTNode = cst.Pass()
        self._journal: list[Change] = []
        #: Branches that are open: what is written now is undone at their end.
        self.forks = 0
        #: By the identity of a list or dict as it was made: what it holds now, whatever name it is read by.
        self._contents: dict[int, Value] = {}
        self._written: dict[int, Value] = {}
        #: Settings of the command line that differ from their defaults in the run that is read.
        self.options: Mapping[str, object] = {}
        self._defaults: dict[str, object] = {}
        #: What tests ask of settings and find otherwise: other runs that the program is made for.
        self.asked: dict[tuple[str, object], None] = {}
        #: By identity, what a test of unknown outcome has chosen.
        self._chosen: dict[int, Choice] = {}
        #: Counts writes to anything but a call's own variables: two equal counts, one state.
        self.effects = 0

    def option(self, name: str, default: Value) -> Value:
        """A setting of the command line (see `ops.table.Machine`)."""
        literal = default.literal
        if not isinstance(literal, (str, bool)):
            return default
        self._defaults[name] = literal
        return Option(self.options.get(name, literal), name)

    def ask(self, value: Value, literals: Iterable[object]) -> None:
        """Take note of what `value`, if it is a setting, might be instead."""
        if isinstance(value, Option):
            usual = value.name not in self.options
            for one in literals:
                if one == value.value and usual:
                    one = ANOTHER
                if type(one) is type(value.value) and one not in (value.value, self._defaults[value.name]):
                    self.asked[value.name, one] = None

    def decided(self, test: Value) -> bool | None:
        """Whether Python takes `test` for true in this run; None where that is not known."""
        known = truth(test)
        self.ask(test, (not known,))
        return known

    # What the later layers of the walk provide.

    @abstractmethod
    def evaluate(self, node: cst.CSTNode) -> Value:
        """The value of an expression."""

    @abstractmethod
    def call(self, function: Value, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """Call a value with values."""

    @abstractmethod
    def loaded(self, value: Value) -> Value:
        """What an `Import` stands for; any other value as it is."""

    @abstractmethod
    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`."""

    @abstractmethod
    def bound(self, receiver: Value, name: str) -> Value:
        """`receiver.name` as something to call."""

    @abstractmethod
    def method(self, receiver: Value, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """`receiver.name(*args, **kwargs)`."""

    @abstractmethod
    def assign(self, target: cst.BaseExpression, value: Value) -> None:
        """`target = value`."""

    @abstractmethod
    def function(self, node: cst.FunctionDef | cst.Lambda) -> Function:
        """A new function that closes over the frame's scope."""

    @abstractmethod
    def call_node(self, node: cst.Call) -> Value:
        """The value of a call expression."""

    def enter(self, frame: Frame) -> None:
        """Walk in `frame` from here on."""
        self.frames.append(frame)
        self.frame = frame

    def leave(self) -> None:
        """Go back to the frame below."""
        self.frames.pop()
        self.frame = self.frames[-1]

    # Writes, and forks of the state.

    def write(self, names: dict[Any, Value], key: Any, value: Value) -> None:
        """`names[key] = value`, undone when the branch that does it ends."""
        if self.forks:
            self._journal.append((names, key, names.get(key)))
        names[key] = value

    def fork(self) -> int:
        """Start a branch; give the mark to `rewind`."""
        self.forks += 1
        return len(self._journal)

    def rewind(self, mark: int) -> dict[tuple[int, Any], Change]:
        """End a branch: undo its writes and return them, each with its last value."""
        self.forks -= 1
        journal = self._journal
        changes: dict[tuple[int, Any], Change] = {}
        for names, key, old in reversed(journal[mark:]):
            place = id(names), key
            if place not in changes:
                changes[place] = names, key, names.get(key)
            if old is None:
                names.pop(key, None)
            else:
                names[key] = old
        del journal[mark:]
        return changes

    def written_since(self, mark: int) -> dict[tuple[int, Any], Change]:
        """What was written since the mark, each place with its value now; nothing is undone."""
        return {(id(names), key): (names, key, names.get(key)) for names, key, _ in self._journal[mark:]}

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Work that no branch undoes."""
        forks, journal = self.forks, self._journal
        self.forks, self._journal = 0, []
        try:
            yield
        finally:
            self.forks, self._journal = forks, journal

    def merge(self, branches: Sequence[Mapping[tuple[int, Any], Change]], test: Value | None = None) -> None:
        """Continue after branches that all reach this point: what they wrote differently is joined.

        Where there are two, `test` is what decides between them.
        """
        if len(branches) == 1:
            for names, key, value in branches[0].values():
                if value is not None:
                    self.write(names, key, value)
            return
        for place, (names, key, _) in all_places(branches).items():
            if type(names) is Known:
                continue  # one of them alone has found it
            before = names.get(key)
            after: Value | None = None
            sides: list[Value] = []
            for branch in branches:
                change = branch.get(place)
                value = before if change is None else change[2]
                if value is not None:
                    sides.append(value)
                    after = value if after is None else self.join(after, value)
            if after is not None:
                self.write(names, key, after)
                if test is not None and len(sides) == 2:
                    self.choose(test, after, *sides)

    def join(self, a: Value, b: Value, depth: int = 0) -> Value:
        """What a name holds where two branches meet."""
        if a is b or _same(a, b):
            return a
        if depth > MAX_JOIN_DEPTH:
            return Unknown()
        root = unrefined(a)
        if root is unrefined(b):
            return root  # both sides of a guard, together again
        if (_numeric(a) and _numeric(b)) or {type(a), type(b)} == {Tensor, Unknown}:
            return self.emit("join", {"0": a, "1": b})
        if isinstance(a, Unknown) and isinstance(b, Unknown):
            # Which of the two it is is not known: another value than either.
            return Unknown(a.origin if a.origin is not None else b.origin)
        if isinstance(a, Items) and isinstance(b, Items) and len(a.items) == len(b.items):
            if all(x is y for x, y in zip(a.items, b.items, strict=True)):
                return a
            items = tuple(self.join(x, y, depth + 1) for x, y in zip(a.items, b.items, strict=True))
            return Items(items, a.kind, a.complete and b.complete, _one_first(a, b))
        if isinstance(a, Items) and isinstance(b, Items) and a.kind == b.kind == "list":
            # A list of unknown length: what either may hold.
            longer, shorter = (a, b) if len(a.items) > len(b.items) else (b, a)
            pairs = zip(longer.items, shorter.items, strict=False)
            items = tuple(self.join(x, y, depth + 1) for x, y in pairs)
            return Items((*items, *longer.items[len(items) :]), "list", False, _one_first(a, b))
        if isinstance(a, Table) and isinstance(b, Table):
            table = dict(a.items)
            for key, value in b.items.items():
                table[key] = self.join(table[key], value, depth + 1) if key in table else value
            complete = a.complete and b.complete and a.items.keys() == b.items.keys()
            return Table(table, complete, a.factory or b.factory, _one_first(a, b))
        choices: list[Value] = []
        for value in (*choices_of(a), *choices_of(b)):
            if not any(value is choice or _same(value, choice) for choice in choices):
                choices.append(value)
        if len(choices) == 1:
            return choices[0]
        return OneOf(tuple(choices)) if len(choices) <= MAX_CHOICES else Unknown()

    def choose(self, test: Value, joined: Value, holds: Value, fails: Value) -> Value:
        """Take note of which test has chosen what is `joined`; returns that."""
        if type(test) is Unknown and test is not UNKNOWN and joined is not holds and joined is not fails:
            self._chosen[id(joined)] = Choice(joined, test, (holds, fails))
        return joined

    def choice(self, value: Value) -> Choice | None:
        """The alternatives of which one test has chosen `value`, None where that is not known."""
        choice = self._chosen.get(id(value))
        return None if choice is None or NONE in choice.sides else choice

    def either(self, values: Sequence[Value]) -> Value:
        """The join of any number of values; unknown for none."""
        if not values:
            return Unknown()
        result = values[0]
        for value in values[1:]:
            result = self.join(result, value)
        return result

    # Lists and dicts.

    def now(self, value: Value) -> Value:
        """A list or dict as it is after what was written to it; any other value as it is."""
        if isinstance(value, (Items, Table)) and self._contents:
            return self._contents.get(id(value.first or value), value)
        return value

    def mutate(self, container: Items | Table, changed: Items | Table) -> None:
        """Write to a list or dict: everything that holds it sees `changed` from here on."""
        first = container.first or container
        key = id(first)
        if key not in self.frame.made:
            self.effects += 1
        if key not in self._contents:
            # Before the first write it held what it was made with, in every branch.
            self._contents[key] = self._written[key] = first
        self.write(self._contents, key, replace(changed, first=first))

    # Names.

    def bind(self, name: str, value: Value) -> None:
        """Assign a variable of the frame (or the outer one that it declares)."""
        frame = self.frame
        scope = frame.outer_names.get(name, frame.scope) if frame.outer_names else frame.scope
        if scope.captured or scope is not frame.scope or frame.function is None:
            self.effects += 1
        self.write(scope.names, name, value)
        scope.history.append(Binding(len(self.ops), name, value, frame.statement))

    def lookup(self, name: str) -> Value | None:
        """The variable's value, None where nothing binds it."""
        frame = self.frame
        scope: Scope | None = frame.outer_names.get(name, frame.scope) if frame.outer_names else frame.scope
        while scope is not None:
            value = scope.names.get(name)
            if value is not None:
                return value
            scope = scope.parent
            # A class body is no enclosing scope of its methods.
            while scope is not None and type(scope.node) is cst.ClassDef:
                scope = scope.parent
        return None

    # New ops.

    def emit(
        self,
        name: str,
        args: Mapping[str, Value],
        *,
        call: Call | None = None,
        at: Op | None = None,
    ) -> Value:
        """Add an op to the graph and return its value (see `ops.table.Machine`)."""
        operator = OPERATORS.get(name)
        if operator is not None and operator.narrow is not None:
            args = operator.narrow(args)
        op = self._op(name, args, call, at)
        if operator is None:
            op.value = Unknown(op)
            return op.value
        op.flow = operator.flow
        facts = operator.transfer(op)
        op.value = Tensor(op, facts.interval, facts.witnesses, facts.dtype, facts.shape)
        return op.value

    def new(self, kind: str, call: Call, **attrs: Value) -> Object:
        """A library object, made by an op named `kind`."""
        op = self._op(kind, call.args, call, None)
        made = Object(kind, call.api, dict(attrs), None, op)
        if kind in GOVERNED and (policy := in_force(self)) is not NONE and op.arg("dtype").literal is None:
            made.attrs[OWN] = policy
        op.value = made
        return made

    def set(self, receiver: Object, name: str, value: Value) -> None:
        """`receiver.name = value`."""
        self.effects += 1
        self.write(receiver.attrs, name, value)

    def _op(self, name: str, args: Mapping[str, Value], call: Call | None, at: Op | None) -> Op:
        frame = self.frame
        values = {key: self.plain(value) if type(value) is OneOf else value for key, value in args.items()}
        source, scope, node, statement = frame.scope.source, frame.scope, self.node, frame.statement
        api, nodes = name, None
        if at is not None:
            source, scope, node, statement = at.source, at.scope, at.node, at.statement
            api, nodes, given = at.api, at.nodes, at.args
        if call is not None:
            node, nodes, api, given = call.node, call.nodes, call.api, call.args
        if nodes:
            # A call that is several ops: an argument's expression is not that of an operand made from it.
            # (A loss given by name is an operand in another form, and still written there.)
            nodes = {
                key: n
                for key, n in nodes.items()
                if key not in args
                or args[key] is (was := given.get(key))
                or not isinstance(was, (Tensor, Unknown))
            }
        op = Op(
            name, values, len(self.ops), api, source, scope, node, statement, nodes or {}, (), frame.calls
        )
        self.ops.append(op)
        return op

    def plain(self, value: Value) -> Value:
        """An operand: of alternatives, the numeric ones joined (None means "not given")."""
        if not isinstance(value, OneOf):
            return value
        numeric = [choice for choice in value.choices if _numeric(choice) or isinstance(choice, Unknown)]
        if not numeric or len(numeric) + (NONE in value.choices) < len(value.choices):
            return value
        if len(numeric) == 1:
            return numeric[0]
        return self.emit("join", {str(index): choice for index, choice in enumerate(numeric)})


def unrefined(value: Value) -> Value:
    """The value before guards narrowed it."""
    while value.op is not None and value.op.name == "refine":
        value = value.op.args["x"]
    return value


def all_places(branches: Sequence[Mapping[tuple[int, Any], Change]]) -> Mapping[tuple[int, Any], Change]:
    """Each place that any of the branches has written, in that order."""
    places = dict(branches[0])
    for branch in branches[1:]:
        for place, change in branch.items():
            places.setdefault(place, change)
    return places


def choices_of(value: Value) -> tuple[Value, ...]:
    """The alternatives of a value: itself, where it is not a `OneOf`."""
    return value.choices if isinstance(value, OneOf) else (value,)


def _numeric(value: Value) -> bool:
    """True for what an array can hold: tensors, and numbers other than flags."""
    return isinstance(value, Tensor) or (
        isinstance(value, Const)
        and isinstance(value.value, (int, float))
        and not isinstance(value.value, bool)
    )


def _same(a: Value, b: Value) -> bool:
    """True for one literal, library name or import twice; 1, 1.0 and True are three."""
    if isinstance(a, Const) and isinstance(b, Const):
        return type(a.value) is type(b.value) and a.value == b.value
    return isinstance(a, (Symbol, Import)) and a == b


def _one_first(a: Items | Table, b: Items | Table) -> Value | None:
    """The container that two branches have both written to."""
    first = a.first or a
    return first if first is (b.first or b) else None
