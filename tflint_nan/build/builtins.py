"""Python's built-in functions, as far as values of training code pass through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from tflint_nan.build.fold import fold, truth
from tflint_nan.interval import INTEGERS
from tflint_nan.ops.points import is_numpy
from tflint_nan.ops.table import Call
from tflint_nan.value import (
    NONE,
    UNSET,
    Const,
    Function,
    Items,
    Length,
    Object,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from tflint_nan.build.calls import Calls

Builtin = Callable[["Calls", Sequence[Value], Mapping[str, Value]], Value]
#: Longest `range` whose numbers are listed.
MAX_RANGE = 16


def _range(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    numbers = [literal for arg in args if isinstance(literal := arg.literal, int)]
    if 1 <= len(numbers) <= 3 and len(numbers) == len(args):
        try:
            values = range(*numbers)
        except ValueError:
            return Unknown()
        if len(values) <= MAX_RANGE:
            return Items(tuple(Const(value) for value in values), "list")
    return Unknown()


def _len(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if args:
        known = walk.elements(args[0])
        if known is not None:
            return Const(len(known))
        literal = args[0].literal
        if isinstance(literal, (str, bytes)):
            return Const(len(literal))
        shape = args[0].shape
        if isinstance(args[0], Tensor) and shape and shape[0] is not None:
            return Const(shape[0])
    return Length()


def _enumerate(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    known = walk.elements(args[0]) if args else None
    if known is None:
        return Items((Items((Unknown(), walk.element(args[0]) if args else Unknown())),), "list", False)
    start = (args[1] if len(args) > 1 else kwargs.get("start", Const(0))).literal
    first = start if isinstance(start, int) else 0
    return Items(tuple(Items((Const(first + index), item)) for index, item in enumerate(known)), "list")


def _zip(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    known = [walk.elements(arg) for arg in args]
    whole = [items for items in known if items is not None]
    if len(whole) == len(known):
        return Items(tuple(Items(row) for row in zip(*whole, strict=False)), "list")
    return Items((Items(tuple(walk.element(arg) for arg in args)),), "list", False)


def _sequence(kind: str) -> Builtin:
    def convert(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        if not args:
            return Items((), kind)
        known = walk.elements(args[0])
        if known is None and isinstance(args[0], Items):
            return Items(args[0].items, kind, False)
        return Items(tuple(known), kind) if known is not None else args[0]

    return convert


def _reversed(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    known = walk.elements(args[0]) if args else None
    return Items(tuple(reversed(known)), "list") if known is not None else (args[0] if args else Unknown())


def _dict(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    table = walk.mapping(args[0]) if args else Table({})
    return Unknown() if table is None else Table({**table.items, **kwargs}, table.complete)


def _map(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if len(args) != 2:
        return Unknown()
    known = walk.elements(args[1])
    if known is None:
        return Items((walk.call(args[0], [walk.element(args[1])], {}),), "list", False)
    return Items(tuple(walk.call(args[0], [item], {}) for item in known), "list")


def _filter(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if len(args) != 2:
        return Unknown()
    known = walk.elements(args[1])
    if known is None:
        return Items((walk.element(args[1]),), "list", False)
    tests = [truth(item if args[0] == NONE else walk.call(args[0], [item], {})) for item in known]
    kept = tuple(item for item, test in zip(known, tests, strict=True) if test is not False)
    return Items(kept, "list", None not in tests)


def _called(name: str, node: cst.CSTNode) -> Call:
    """A call of a function of Python's, as operators are told of it."""
    given = node.args[0].value if isinstance(node, cst.Call) and node.args else None
    return Call(f"builtins.{name}", {}, {} if given is None else {"x": given}, node)


def _float(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    """A number of Python's: of a tensor one that no gradient goes back from."""
    if args and isinstance(args[0], Tensor) and args[0].dtype not in INTEGERS and not is_numpy(args[0].op):
        return walk.emit("number", {"x": args[0]}, call=_called("float", walk.node))
    literal = args[0].literal if args else 0.0
    if isinstance(literal, (int, float, str)):
        try:
            return Const(float(literal))
        except (ValueError, OverflowError):
            return Unknown()
    return args[0]


def _int(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    literal = args[0].literal if args else 0
    if isinstance(literal, (int, float)) and math.isfinite(literal):
        return Const(int(literal))
    return Unknown()


def _round(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    literal = args[0].literal if args else UNSET
    digits = args[1].literal if len(args) > 1 else None
    if isinstance(literal, (int, float)) and math.isfinite(literal) and isinstance(digits, (int, type(None))):
        return Const(round(literal, digits))
    return Unknown()


def _bool(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    known = truth(args[0]) if args else False
    return Unknown() if known is None else Const(known)


def _unary(name: str) -> Builtin:
    def compute(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        literal = args[0].literal if args else UNSET
        if isinstance(literal, (int, float)):
            return Const(abs(literal))
        return walk.emit(name, {"x": args[0]}) if args else Unknown()

    return compute


def _extreme(name: str, choose: Callable[[Sequence[float]], float]) -> Builtin:
    def compute(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        items = args
        if len(args) == 1:
            known = walk.elements(args[0])
            if known is None:
                return Unknown()
            items = known
        numbers = [item.literal for item in items]
        if numbers and all(isinstance(number, (int, float)) for number in numbers):
            return Const(choose(numbers))  # type: ignore[arg-type]
        if not items or kwargs:
            return Unknown()
        result = items[0]
        for item in items[1:]:
            result = walk.emit(name, {"x": result, "y": item})
        return result

    return compute


def _sum(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    known = walk.elements(args[0]) if args else None
    if known is None:
        if args and isinstance(args[0], Tensor):
            return walk.emit("sum", {"x": args[0]})
        # Of a list of unknown length the sum is not known, but what is in it.
        return walk.emit("unknown_sum", {"x": args[0]}) if args and isinstance(args[0], Items) else Unknown()
    numbers = [item.literal for item in known]
    if all(isinstance(number, (int, float)) for number in numbers):
        return Const(sum(numbers))  # type: ignore[arg-type]
    result = known[0]
    for item in known[1:]:
        result = walk.emit("add", {"x": result, "y": item})
    return result


def _pow(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if len(args) != 2:
        return Unknown()
    return fold("pow", args[0], args[1]) or walk.emit("pow", {"x": args[0], "y": args[1]})


def _isinstance(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    types = {"float": float, "int": int, "str": str, "bool": bool}
    if len(args) == 2:
        literal = args[0].literal
        kinds = args[1].items if isinstance(args[1], Items) else (args[1],)
        names = [kind.name.removeprefix("builtins.") if isinstance(kind, Symbol) else "" for kind in kinds]
        if literal is not UNSET and all(name in types for name in names):
            return Const(isinstance(literal, tuple(types[name] for name in names)))
        kind_of = {"list": "list", "tuple": "tuple", "dict": "dict"}
        if all(name in types or name in kind_of for name in names):
            if isinstance(args[0], Items):
                return Const(args[0].kind in names)
            if isinstance(args[0], Table):
                return Const("dict" in names)
            if isinstance(args[0], Object) and args[0].kind == "namespace":
                return Unknown()
            if isinstance(args[0], (Tensor, Object)) or literal is not UNSET:
                return Const(False)
    return Unknown()


def _callable(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if args and isinstance(args[0], Function):
        return Const(True)
    return Const(False) if args and args[0].literal is not UNSET else Unknown()


def _getattr(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    name = args[1].literal if len(args) > 1 else None
    return walk.get(args[0], name) if isinstance(name, str) else Unknown()


def _setattr(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    name = args[1].literal if len(args) > 2 else None
    if isinstance(name, str):
        walk.store(args[0], name, args[2])
    return NONE


def _hasattr(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    name = args[1].literal if len(args) > 1 else None
    if isinstance(args[0] if args else None, Object) and isinstance(name, str):
        receiver = args[0]
        assert isinstance(receiver, Object)
        if name in receiver.attrs:
            return Const(True)
        if (
            receiver.cls is not None
            and receiver.kind == "instance"
            and walk.member(receiver.cls, name) is None
            and walk.member(receiver.cls, "__getattr__") is None
        ):
            return Const(False)
    return Unknown()


def _first(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    return walk.element(args[0]) if args else Unknown()


def _iter(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    return args[0] if args else Unknown()


def _str(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    shown = args[0] if args else Const("")
    literal = (shown.attrs["text"] if isinstance(shown, Object) and shown.kind == "path" else shown).literal
    return Const(str(literal)) if isinstance(literal, (str, int, float)) else Unknown()


def _type(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    if len(args) == 3:
        return walk.made_class(args)
    return walk.get(args[0], "__class__") if args else Unknown()


def _attributes(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    return walk.get(args[0], "__dict__") if args else _locals(walk, args, kwargs)


def _locals(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    return Object("namespace", "locals", walk.frame.scope.names)


def _globals(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    scope = walk.frame.scope
    while scope.parent is not None:
        scope = scope.parent
    return Object("namespace", "globals", scope.names)


def _kind(kind: str) -> Builtin:
    """`property(f)`, `staticmethod(f)`, as a call or as a decorator."""

    def convert(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        function = args[0] if args else kwargs.get("fget", NONE)
        return replace(function, kind=kind) if isinstance(function, Function) else function

    return convert


def _nothing(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    return NONE


NAMES: dict[str, Builtin] = {
    "abs": _unary("abs"),
    "bool": _bool,
    "callable": _callable,
    "dict": _dict,
    "enumerate": _enumerate,
    "filter": _filter,
    "float": _float,
    "getattr": _getattr,
    "globals": _globals,
    "hasattr": _hasattr,
    "int": _int,
    "isinstance": _isinstance,
    "iter": _iter,
    "len": _len,
    "list": _sequence("list"),
    "locals": _locals,
    "map": _map,
    "max": _extreme("maximum", max),
    "min": _extreme("minimum", min),
    "next": _first,
    "range": _range,
    "reversed": _reversed,
    "round": _round,
    "set": _sequence("set"),
    "setattr": _setattr,
    "sorted": _iter,
    "sum": _sum,
    "tuple": _sequence("tuple"),
    "xrange": _range,
    "zip": _zip,
    "super": _iter,
    "property": _kind("property"),
    "staticmethod": _kind("staticmethod"),
    "classmethod": _kind("classmethod"),
    "type": _type,
    "vars": _attributes,
    "object": _nothing,
    "str": _str,
    "pow": _pow,
    "print": _nothing,
}
