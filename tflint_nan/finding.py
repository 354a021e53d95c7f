"""What a run says: findings, their places, and the edits that mend them. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """How bad it is: ERROR makes NaN, Inf or a dead gradient; WARNING makes training worse."""

    ERROR = "error"
    WARNING = "warning"


class Level(str, Enum):
    """When a report is shown: in every run, with `--strict`, or only when its code is selected."""

    DEFAULT = "on"
    STRICT = "strict"
    OPTIONAL = "opt"


class Applicability(str, Enum):
    """The risk of a fix.

    SAFE: the same value wherever the original is finite, up to rounding. UNSAFE: the training
    changes (another loss, another scale). DISPLAY: shown, never applied.
    """

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY = "display"


def risks(unsafe: bool) -> tuple[Applicability, ...]:
    """The risks of the fixes that are applied."""
    return (Applicability.SAFE, Applicability.UNSAFE) if unsafe else (Applicability.SAFE,)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: `row` and `column` from 1, columns in characters."""

    row: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` up to, not including, `end`."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Put `content` in the place of `span` (an empty span inserts).

    With a `cell`, `span` counts rows inside that notebook cell, like a finding's; without one it counts
    rows of the whole text, as rules make edits. `Source.located` turns the second form into the first, and
    `Source.edit` takes both. Line ends in `content` are `\\n`, whatever the file's are. `filename` is that of
    another file than the finding's.
    """

    span: Span
    content: str
    cell: int | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that belong together: all are applied or none."""

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]

    @property
    def by_file(self) -> dict[str | None, tuple[Edit, ...]]:
        """File -> its edits; None is the finding's own."""
        files = dict.fromkeys(edit.filename for edit in self.edits)
        return {file: tuple(edit for edit in self.edits if edit.filename == file) for file in files}

    @property
    def others(self) -> frozenset[str]:
        """The files that are changed, but for the finding's own."""
        return frozenset(edit.filename for edit in self.edits if edit.filename is not None)


@dataclass(frozen=True, slots=True)
class Related:
    """A step on the way from the producer to the sink; `cell` and `span` count as a finding's do."""

    message: str
    filename: str
    span: Span
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem at one place.

    `statement` is the span of rows (first, last) of the whole statement: a `# noqa` on any of them
    silences the finding. `cell` is the notebook cell, from 1, None outside notebooks; `span` then
    counts rows inside that cell.
    `obstacle` says why there is no fix where the rule tried to make one.
    """

    code: str
    name: str
    message: str
    filename: str
    span: Span
    severity: Severity
    level: Level
    help: str
    statement: tuple[int, int]
    related: tuple[Related, ...] = ()
    witness: str | None = None
    fix: Fix | None = None
    cell: int | None = None
    obstacle: str | None = None

    @property
    def sort_key(self) -> tuple[str, int, Span, str, str]:
        """Path, cell, place, code: the order of every report."""
        return (self.filename, self.cell or 0, self.span, self.code, self.message)


#: A file's name, and the notebook cell, None for a script.
Place = tuple[str, "int | None"]
#: The lines of texts, without their ends.
Lines = Mapping[Place, Sequence[str]]
#: The row of a notebook's JSON, from 1, in which each line of a cell is written.
Rows = Mapping[Place, Sequence[int]]
