"""Small immutable classes of which a program's walk makes many thousands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Nothing, at run time."""
        return lambda decorator: decorator


T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, eq: bool = True) -> Callable[[type[T]], type[T]]:
    """A slotted dataclass whose fields are set once.

    The type checker refuses to set them again. At run time nothing does: the guard of a frozen dataclass
    makes its instances up to five times as slow to construct.

    Args:
        eq: equal where the fields are, and hashed by them; otherwise by identity.
    """

    def decorate(cls: type[T]) -> type[T]:
        return dataclass(slots=True, eq=eq, unsafe_hash=eq)(cls)

    return decorate
