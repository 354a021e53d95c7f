"""Frozen data as JSON and back: fields in order, by their declared types; anything else is an error."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_Decoder = Callable[[Any], Any]


def encode(value: object) -> Any:
    """What `json` can write: a list for a dataclass or sequence, an enumeration's value for a member."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if is_dataclass(value):
        return [encode(getattr(value, field.name)) for field in fields(value)]
    return value


def decode(kind: type[_T], value: object) -> _T:
    """What `encode` was given.

    Args:
        kind: a dataclass of `str`, `int`, `bool`, None, enumerations, tuples and dataclasses.
        value: what `json` read.

    Raises:
        ValueError, TypeError: it is none of that kind.
    """
    found: _T = _decoder(kind)(value)  # type: ignore[arg-type]
    return found


@cache
def _decoder(kind: Any) -> _Decoder:
    if kind in (str, int, bool, types.NoneType):
        return _plain(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return _record(kind, [_decoder(hints[field.name]) for field in fields(kind)])
    if get_origin(kind) in (Union, types.UnionType):
        return _either([_decoder(choice) for choice in get_args(kind)])
    if get_origin(kind) is tuple:
        *parts, last = get_args(kind)
        if last is Ellipsis:
            return _row(_decoder(parts[0]))
        return _record(_together, [_decoder(part) for part in (*parts, last)])
    raise TypeError(f"no data of {kind}")


def _together(*items: Any) -> tuple[Any, ...]:
    return items


def _plain(kind: type) -> _Decoder:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"not {kind.__name__}")
        return value

    return read


def _record(make: Callable[..., Any], decoders: Sequence[_Decoder]) -> _Decoder:
    def read(value: Any) -> Any:
        return make(*[decoder(item) for decoder, item in zip(decoders, _items(value), strict=True)])

    return read


def _row(decoder: _Decoder) -> _Decoder:
    return lambda value: tuple(map(decoder, _items(value)))


def _either(decoders: Sequence[_Decoder]) -> _Decoder:
    def read(value: Any) -> Any:
        for decoder in decoders:
            try:
                return decoder(value)
            except (TypeError, ValueError):
                continue
        raise ValueError("none of the kinds")

    return read


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("not a list")
    return value
