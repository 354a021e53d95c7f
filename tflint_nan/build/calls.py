"""Calls: of library names, of the project's functions and classes, and attributes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import libcst as cst

from tflint_nan.build import standard
from tflint_nan.build.attributes import Arguments, bind_method, kind_of
from tflint_nan.build.records import Records
from tflint_nan.build.state import Choice, Frame
from tflint_nan.graph import PLOTS
from tflint_nan.ops.masks import mask_of
from tflint_nan.ops.policies import GOVERNED, compute_dtype, in_full, received
from tflint_nan.ops.table import APIS, BASES, Api, Call
from tflint_nan.source import Source
from tflint_nan.value import (
    NONE,
    UNKNOWN,
    UNSET,
    Class,
    Const,
    Function,
    Items,
    Method,
    Object,
    OneOf,
    Scope,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)

#: Calls nested deeper than this are not followed.
MAX_CALLS = 20
#: One function on the stack more often than this is recursion: its result is unknown.
MAX_RECURSION = 2
MAX_DECIDED = 8
#: Work (statements) that following calls may take: for each statement of the text, and at least.
WORK_PER_STATEMENT = 3
MIN_WORK = 1_500

#: Kinds whose instances Keras calls through their `call`.
CALLED_BY_KERAS = frozenset({"cell", "layer", "model", "module", "loss", "metric"})

_Key = tuple[object, ...]


class Calls(Records):
    """Evaluates calls."""

    def __init__(self) -> None:
        super().__init__()
        #: Function definitions that were called, by identity of their node.
        self.entered: set[int] = set()
        #: The latest instance of each class, by identity of the class's node.
        self.instances: dict[int, Object] = {}
        #: The parameters of a definition that take one value each, by identity of its node.
        self._places: dict[int, dict[str, cst.Name]] = {}
        self._results: dict[_Key, tuple[int, Arguments, Value]] = {}

    def allowance(self, source: Source) -> int:
        """The statements that following the calls of a text may take."""
        return max(MIN_WORK, WORK_PER_STATEMENT * source.text.count("\n"))

    def spend(self) -> bool:
        """Use one unit of work; outside calls the text itself is always read."""
        if len(self.frames) > self.ground:
            self.work -= 1
            return self.work > 0
        return True

    def _may_enter(self) -> bool:
        """Whether a call from here is still followed."""
        return self.work > 0 or len(self.frames) < self.ground

    # Call expressions.

    def call_node(self, node: cst.Call) -> Value:
        """The value of a call expression."""
        func = node.func
        if type(func) is cst.Attribute:
            receiver = self.evaluate(func.value)
            if isinstance(receiver, (Items, Table)):
                given = self._arguments(node)
                return self.container(receiver, func.attr.value, given.values, given.keywords)
            if isinstance(receiver, (Tensor, Unknown, Object, OneOf)):
                function = self.bound(receiver, func.attr.value)
            else:
                function = self.get(receiver, func.attr.value)
        else:
            function = self.evaluate(func)
            if function == Symbol("builtins.super"):
                return self._super()
        result = self.apply(function, self._arguments(node))
        if isinstance(function, Symbol):
            self.refine_asserted(function.name, node)
        return result

    def _arguments(self, node: cst.Call) -> Arguments:
        given = Arguments(node)
        for arg in node.args:
            value = self.evaluate(arg.value)
            if arg.star == "*":
                known = self.elements(value)
                given.complete = given.complete and known is not None
                given.values.extend(known or ())
            elif arg.star == "**":
                table = self.mapping(value)
                if table is not None:
                    given.keywords.update({k: v for k, v in table.items.items() if isinstance(k, str)})
                given.complete = given.complete and table is not None and table.complete
            elif arg.keyword is not None:
                given.keywords[arg.keyword.value] = value
                given.nodes[arg.keyword.value] = arg.value
            elif given.complete:
                given.nodes[len(given.values)] = arg.value
                given.values.append(value)
        return given

    def _super(self) -> Value:
        frame = self.frame
        owner = frame.function.owner if frame.function is not None else None
        receiver = frame.receiver
        if owner is None or not isinstance(receiver, (Object, Class)):
            return Unknown()
        return Object("super", owner.name, {"self": receiver}, owner)

    # Calls of values.

    def apply(self, function: Value, given: Arguments) -> Value:
        """Call any value with arguments."""
        if isinstance(function, Symbol):
            return self._library(function.name, given)
        if isinstance(function, Function):
            return self._enter(function, given)
        if isinstance(function, Class):
            return self._instantiate(function, given)
        if isinstance(function, Method):
            receiver = function.receiver
            return self._library(f"{kind_of(receiver)}.{function.name}", given.after(receiver))
        if isinstance(function, Object):
            return self._call_object(function, given)
        if isinstance(function, OneOf):
            choice = self.choice(function)
            return self.each(function, lambda one: self.apply(one, self._beside(choice, one, given)))
        return self._unknown_call(_plotting(function) or "call", given)

    def _beside(self, choice: Choice | None, side: Value, given: Arguments) -> Arguments:
        """The arguments where `side` was chosen: what the same test has chosen of them is known there."""
        if choice is None:
            return given

        def at(value: Value) -> Value:
            other = self.choice(value)
            if other is None or other.test is not choice.test:
                return value
            return other.sides[0 if side is choice.sides[0] else 1]

        keywords = {name: at(value) for name, value in given.keywords.items()}
        return replace(given, values=[at(value) for value in given.values], keywords=keywords)

    def _unknown_call(self, api: str, given: Arguments) -> Value:
        """What nobody knows keeps its arguments: gradients may flow through it."""
        operands = {str(index): value for index, value in enumerate(given.values)}
        operands.update(given.keywords)
        return self.emit("unknown_call", operands, call=Call(api, operands, {}, given.node))

    def _library(self, name: str, given: Arguments) -> Value:
        builtin = standard.NAMES.get(name)
        if builtin is not None:
            return builtin(self, given.values, given.keywords)
        api = APIS.get(name)
        if api is None:
            if name in BASES:
                return self.new(BASES[name], Call(name, given.keywords, {}, given.node))
            return self._unknown_call(name, given)
        call = _bind(api, given)
        outer, self.node = self.node, given.node
        try:
            if isinstance(api.target, str):
                result = self.emit(api.target, call.args, call=call)
            else:
                result = api.target(self, call)
            self.overwrite(call.arg("out"))
            return result
        finally:
            self.node = outer

    def _call_object(self, receiver: Object, given: Arguments) -> Value:
        if receiver.cls is not None:
            member = self.member(receiver.cls, "__call__")
            if member is None and receiver.kind in CALLED_BY_KERAS:
                self.build_once(receiver, given.node)
                member = self.member(receiver.cls, "call")
                given = self._masked(member, self._converted(receiver, given))
            if isinstance(member, Function):
                return self._enter(bind_method(member, receiver), given)
        return self._library(f"{receiver.kind}.__call__", given.after(receiver))

    def _converted(self, receiver: Object, given: Arguments) -> Arguments:
        """The arguments in the format in which Keras hands them to `call`."""
        if receiver.kind == "loss":
            values = [in_full(self, value) for value in given.values]
            keywords = {name: in_full(self, value) for name, value in given.keywords.items()}
        elif receiver.kind in GOVERNED and compute_dtype(receiver) is not None:
            values = [received(self, receiver, value) for value in given.values]
            keywords = {name: received(self, receiver, value) for name, value in given.keywords.items()}
        else:
            return given
        return replace(given, values=values, keywords=keywords)

    def _masked(self, member: Value | None, given: Arguments) -> Arguments:
        """The arguments with the mask that Keras gives to a `call` that has a parameter for it."""
        if not isinstance(member, Function) or not given.values or "mask" in given.keywords:
            return given
        names = [param.name.value for param in named_parameters(member.node)]
        if "mask" not in names or names.index("mask") <= len(given.values):
            return given
        mask = mask_of(self, given.values[0])
        return given if mask is None else replace(given, keywords={**given.keywords, "mask": mask})

    def build_once(self, receiver: Object, node: cst.CSTNode) -> None:
        """Keras calls `build` before the first `call`."""
        assert receiver.cls is not None
        member = self.member(receiver.cls, "build")
        if isinstance(member, Function) and "built" not in receiver.attrs:
            self.set(receiver, "built", Const(True))
            self._enter(bind_method(member, receiver), Arguments(node, [Unknown()]))

    # The project's functions and classes.

    def _instantiate(
        self,
        cls: Class,
        given: Arguments,
        adapt: Callable[[Function], Function] = lambda init: init,
    ) -> Object:
        creator = self.member(cls, "__new__")
        created = self._enter(replace(creator, bound=cls), given) if isinstance(creator, Function) else NONE
        instance = created if isinstance(created, Object) else self.blank(cls, given.node)
        init = self.member(cls, "__init__")
        if isinstance(init, Function):
            self._enter(adapt(bind_method(init, instance)), given)
        elif self.fields(cls) is not None:
            self.fill(instance, cls, given)
        elif instance.kind == "namespace":
            self.namespace(instance, "update", given.values, given.keywords)
        return instance

    def blank(self, cls: Class, node: cst.CSTNode) -> Object:
        """`object.__new__(cls)`: an instance whose constructor is still to be called."""
        kinds = (BASES.get(base) or standard.BASES.get(base) for base in self._library_bases(cls))
        kind = next(filter(None, kinds), "instance")
        made = self.new(kind, Call(cls.name, {}, {}, node))
        instance = Object(kind, cls.name, made.attrs, cls, made.made)
        if made.made is not None:
            made.made.value = instance
        self.instances[id(cls.node)] = instance
        return instance

    def _library_bases(self, cls: Class) -> Iterator[str]:
        """Names of the libraries' classes that a class derives from."""
        for one in self.lineage(cls):
            yield from (base.name for base in one.bases if isinstance(base, Symbol))

    def _enter(self, function: Function, given: Arguments) -> Value:
        """Run a function of the project with these arguments."""
        if function.bound is not None:
            given = given.after(function.bound)
        if len(self.frames) > MAX_CALLS or self._recurses(function) or not self._may_enter():
            return self._unknown_call("call", given)
        self.entered.add(id(function.node))
        key: _Key = (
            id(function.node),
            id(function.scope),
            *(_identity(value) for value in given.values),
            *((name, _identity(value)) for name, value in sorted(given.keywords.items())),
        )
        known = self._results.get(key)
        if known is not None and known[0] == self.effects:
            return self.fresh(known[2])
        effects = self.effects
        result = self._run(function, given)
        if effects == self.effects:
            # The arguments are kept alive: their identities are the key.
            self._results[key] = (effects, given, result)
        return result

    def _recurses(self, function: Function) -> bool:
        """True where a function calls itself too often to be followed.

        Where no test on the way was undecided, the program itself ends the recursion.
        """
        running = [f for f in self.frames if f.function is not None and f.function.node is function.node]
        decided = running and running[0].forks == self.forks
        return len(running) >= (MAX_DECIDED if decided else MAX_RECURSION)

    def _run(self, function: Function, given: Arguments) -> Value:
        self.work -= 1
        scope = Scope(function.node, function.source, function.scope)
        calls = (*self.frame.calls, (self.frame.scope.source, given.node))
        frame = Frame(scope, calls, function, given.values[0] if given.values else None)
        frame.forks = self.forks
        self.enter(frame)
        depth, self._depth = self._depth, 0
        outer, self.node = self.node, function.node
        try:
            self._parameters(function, given)
            if isinstance(function.node, cst.Lambda):
                return self.evaluate(function.node.body)
            self.execute(function.node.body.body)
        finally:
            self.leave()
            self._depth = depth
            self.node = outer
        if not self._may_enter():
            # Left in the middle: what it returns is not known, and its text is still to be read.
            self.entered.discard(id(function.node))
            return self._unknown_call("call", given)
        if frame.yields:
            return Object("dataset", function.name, {"element": self.either(frame.yields)})
        return self.either(frame.returns) if frame.returns else NONE

    def _parameters(self, function: Function, arguments: Arguments) -> None:
        params = function.node.params
        places = self._places.get(id(function.node))
        if places is None:
            places = {param.name.value: param.name for param in named_parameters(function.node)}
            self._places[id(function.node)] = places
        positional = len(params.posonly_params) + len(params.params)
        given = dict(zip(islice(places, positional), arguments.values, strict=False))
        extra = {}
        for name, value in arguments.keywords.items():
            if name in places:
                given[name] = value
            else:
                extra[name] = value
        outer = self.node
        for name, place in places.items():
            passed, self.node = given.get(name), place
            self.bind(name, self.default(name, function.defaults.get(name)) if passed is None else passed)
        self.node = outer
        if isinstance(params.star_arg, cst.Param):
            rest = tuple(arguments.values[positional:])
            self.bind(params.star_arg.name.value, Items(rest, complete=arguments.complete))
        if params.star_kwarg is not None:
            self.bind(params.star_kwarg.name.value, Table(extra, arguments.complete))


def named_parameters(node: cst.FunctionDef | cst.Lambda) -> Iterator[cst.Param]:
    """The parameters of a definition that take one value each."""
    params = node.params
    yield from (*params.posonly_params, *params.params, *params.kwonly_params)


def _identity(value: Value) -> object:
    """What makes two arguments the same: the literal, or being one value."""
    literal = value.literal
    return id(value) if literal is UNSET else (type(literal), literal)


def _plotting(function: Value) -> str | None:
    """The call of a plotting library that a value comes from: what a figure or its axes are told is drawn."""
    op = function.op
    for _ in range(MAX_CALLS):
        if op is None or op.api.startswith(PLOTS):
            return None if op is None else op.api
        op = next((value.op for name, value in op.args.items() if name in ("0", "x")), None)
    return None


def _bind(api: Api, given: Arguments) -> Call:
    """Give the arguments of a library call their canonical names."""
    bound = dict(api.fixed)
    places: dict[str, cst.BaseExpression] = {}
    names = dict(api.params)
    for index, ((_, canonical), value) in enumerate(zip(api.params, given.values, strict=False)):
        bound[canonical] = value
        if index in given.nodes:
            places[canonical] = given.nodes[index]
    extra: dict[str, Value] = {}
    for name, value in given.keywords.items():
        if name in names:
            bound[names[name]] = value
            if name in given.nodes:
                places[names[name]] = given.nodes[name]
        else:
            extra[name] = value
    if not given.complete:
        bound.update((name, UNKNOWN) for _, name in api.params if name not in bound)
    rest = tuple(given.values[len(api.params) :])
    return Call(api.name, bound, places, given.node, rest, extra, given.complete)
