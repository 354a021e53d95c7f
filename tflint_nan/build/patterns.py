"""Patterns of `match`: whether a value fits, and what they bind."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from tflint_nan.build.imports import Imports
from tflint_nan.value import UNSET, Table, Unknown, Value


class Patterns(Imports):
    """Matches values."""

    def matches(self, pattern: cst.MatchPattern, value: Value) -> bool | None:
        """Whether a `case` fits, as far as that is known; its names are bound where it may."""
        if isinstance(pattern, cst.MatchAs):
            fits = True if pattern.pattern is None else self.matches(pattern.pattern, value)
            if pattern.name is not None:
                self.assign(pattern.name, value)
            return fits
        if isinstance(pattern, cst.MatchOr):
            return _any([self.matches(element.pattern, value) for element in pattern.patterns])
        if isinstance(pattern, (cst.MatchValue, cst.MatchSingleton)):
            wanted = self.evaluate(pattern.value).literal
            known = value.literal
            return None if wanted is UNSET or known is UNSET else bool(wanted == known)
        if isinstance(pattern, cst.MatchMapping):
            return self._matches_mapping(pattern, value)
        if isinstance(pattern, (cst.MatchList, cst.MatchTuple)):
            return self._matches_sequence(pattern.patterns, value)
        if isinstance(pattern, cst.MatchClass):
            for element in pattern.kwds:
                self.matches(element.pattern, self.get(value, element.key.value))
            for unnamed in pattern.patterns:
                self.matches(unnamed.value, Unknown())
        return None

    def _matches_mapping(self, pattern: cst.MatchMapping, value: Value) -> bool | None:
        fits: list[bool | None] = []
        for element in pattern.elements:
            key = self.key(self.evaluate(element.key))
            held = value.items.get(key) if isinstance(value, Table) else None
            known = isinstance(value, Table) and value.complete
            fits.append((False if known else None) if held is None else True)
            fits.append(self.matches(element.pattern, Unknown() if held is None else self.loaded(held)))
        if pattern.rest is not None:
            self.assign(pattern.rest, Unknown())
        return _all(fits)

    def _matches_sequence(self, patterns: Sequence[cst.CSTNode], value: Value) -> bool | None:
        known = self.elements(value)
        starred = any(isinstance(pattern, cst.MatchStar) for pattern in patterns)
        if known is not None and not starred and len(known) != len(patterns):
            return False
        paired = known is not None and not starred
        fits: list[bool | None] = [True if paired else None]
        for index, pattern in enumerate(patterns):
            if isinstance(pattern, cst.MatchStar) and pattern.name is not None:
                self.assign(pattern.name, Unknown())
            elif isinstance(pattern, cst.MatchSequenceElement):
                part = known[index] if known is not None and paired else self.element(value)
                fits.append(self.matches(pattern.value, part))
        return _all(fits)


def _all(fits: Sequence[bool | None]) -> bool | None:
    return False if False in fits else None if None in fits else True


def _any(fits: Sequence[bool | None]) -> bool | None:
    return True if True in fits else None if None in fits else False
