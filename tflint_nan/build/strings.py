"""Strings that a program puts together from known parts: names of attributes, keys, paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING

from tflint_nan.build.builtins import Builtin
from tflint_nan.build.fold import MAX_TEXT
from tflint_nan.value import UNSET, Const, Items, Unknown, Value

if TYPE_CHECKING:
    from tflint_nan.build.calls import Calls

_PERCENT = re.compile(r"%(\(\w+\))?[sdif]")


def text(value: str) -> Value:
    """A string, unless it grew too long to be kept."""
    return Const(value) if len(value) <= MAX_TEXT else Unknown()


def shown(value: Value) -> str | None:
    """What `str(value)` gives; None where it is not known, or long."""
    literal = value.literal
    if isinstance(literal, (str, int, float)) and len(found := str(literal)) <= MAX_TEXT:
        return found
    return None


def joined(parts: Sequence[Value]) -> Value:
    """An f-string's parts in a row."""
    known = [found for part in parts if (found := shown(part)) is not None]
    return text("".join(known)) if len(known) == len(parts) else Unknown()


def percent(pattern: str, given: Value) -> Value:
    """`pattern % given`, for patterns without widths (a width makes a text of any length)."""
    values = given.items if isinstance(given, Items) and given.kind == "tuple" else (given,)
    known = [value.literal for value in values]
    if len(pattern) > MAX_TEXT or "%" in _PERCENT.sub("", pattern) or UNSET in known:
        return Unknown()
    if sum(len(shown(value) or "") for value in values) > MAX_TEXT:
        return Unknown()
    try:
        return text(pattern % tuple(known))
    except (TypeError, ValueError, OverflowError):
        return Unknown()


def _format(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    pattern = args[0].literal
    assert isinstance(pattern, str)
    try:
        fields = list(Formatter().parse(pattern))
        simple = all(not spec and not kind and (not name or name.isalnum()) for _, name, spec, kind in fields)
        known = [found for arg in args[1:] if (found := shown(arg)) is not None]
        words = {name: found for name, arg in kwargs.items() if (found := shown(arg)) is not None}
        whole = len(known) == len(args) - 1 and len(words) == len(kwargs)
        if (
            simple
            and whole
            and len(pattern) * (1 + max(map(len, [*known, *words.values()]), default=0))
            <= (MAX_TEXT * MAX_TEXT)
        ):
            return text(pattern.format(*known, **words))
    except (ValueError, IndexError, KeyError):
        pass
    return Unknown()


def _join(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    between = args[0].literal
    known = walk.elements(args[1]) if len(args) > 1 else None
    parts = [item.literal for item in known or ()]
    words = [part for part in parts if isinstance(part, str)]
    if known is None or len(words) < len(parts) or not isinstance(between, str):
        return Unknown()
    if sum(map(len, words)) + len(between) * len(words) > MAX_TEXT:
        return Unknown()
    return text(between.join(words))


def _split(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
    given = [arg.literal for arg in args]
    if UNSET in given or kwargs:
        return Unknown()
    try:
        return Items(tuple(Const(part) for part in str.split(*given)), "list")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return Unknown()


def _method(function: Callable[..., object]) -> Builtin:
    def compute(walk: Calls, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        given = [arg.literal for arg in args]
        if UNSET in given or kwargs:
            return Unknown()
        try:
            return Const(function(*given))
        except (TypeError, ValueError):
            return Unknown()

    return compute


METHODS: dict[str, Builtin] = {
    "str.format": _format,
    "str.join": _join,
    "str.split": _split,
    **{
        f"str.{function.__name__}": _method(function)
        for function in (
            str.capitalize,
            str.endswith,
            str.isdigit,
            str.lower,
            str.lstrip,
            str.rstrip,
            str.startswith,
            str.strip,
            str.title,
            str.upper,
        )
    },
}
