"""What a fix has collected so far, in each of its files."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import libcst as cst

from tflint_nan.finding import Edit
from tflint_nan.source import Source
from tflint_nan.value import Op, Scope

if TYPE_CHECKING:
    from tflint_nan.rewrite import Rewriter


@dataclass(frozen=True, slots=True)
class Hoist:
    """What gets a name in a statement of its own, before `statement`: the expression `node`, or `text`.

    Without a statement it can only be moved inside the expression that it is part of. `rest` is what stays in
    the place of `node`: the text before and after the name.
    """

    name: str
    node: cst.BaseExpression
    statement: cst.SimpleStatementLine | None
    text: str
    scope: Scope
    rest: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Replacement:
    """An expression or statement, and the text that takes its place."""

    node: cst.CSTNode
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A name that the fix took from something else: `line` binds it again where `around` reads it.

    It goes behind `statement`, without one to the beginning of the function `around`.
    """

    name: str
    line: str
    around: cst.CSTNode
    statement: cst.CSTNode | None = None


@dataclass(slots=True)
class Draft:
    """What one fix has collected so far for the file of `op`."""

    op: Op
    replacements: list[Replacement] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    hoists: dict[int, Hoist] = field(default_factory=dict)
    #: Import line -> what it is needed for.
    imports: dict[str, list[str]] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    #: Assignments that go where nothing reads the name any more, with the function around them.
    spare: dict[cst.SimpleStatementLine, cst.FunctionDef] = field(default_factory=dict)
    #: Names that still need a value where something reads them.
    kept: list[Kept] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """The file."""
        return self.op.source

    def copy(self) -> Draft:
        """The same, to be written to by itself."""
        return Draft(**{part.name: copy(getattr(self, part.name)) for part in fields(self)})


@dataclass(slots=True)
class Plan:
    """What one fix has collected so far, in all of its files."""

    drafts: dict[Source, Draft] = field(default_factory=dict)
    #: Identity of a value and of the scope that it is read from -> the name that the fix gives it there.
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    #: Functions that return something else now -> which element of what they return, -1 for all of it.
    lifted: dict[cst.FunctionDef, int] = field(default_factory=dict)
    #: Calls of these -> what to do with each that no way of the fix goes through.
    pending: dict[cst.Call, Callable[[Rewriter], bool]] = field(default_factory=dict)
    #: Whether there may be callers that nobody sees.
    uncertain: bool = False
    failed: bool = False

    def draft(self, op: Op) -> Draft:
        """What is collected for the file of `op`."""
        found = self.drafts.get(op.source)
        if found is None:
            found = self.drafts[op.source] = Draft(op)
        return found

    def copy(self) -> Plan:
        """The same, to be written to by itself."""
        parts = {part.name: copy(getattr(self, part.name)) for part in fields(self)}
        return Plan(**{**parts, "drafts": {source: draft.copy() for source, draft in self.drafts.items()}})
