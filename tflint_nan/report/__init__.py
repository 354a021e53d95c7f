"""The formats of reports: findings in, one string out."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tflint_nan.finding import Applicability, Finding, Lines, Related, Rows


@dataclass(frozen=True, slots=True)
class Report:
    """All that a format may want to show.

    Attributes:
        findings: what remains, sorted.
        fixed: code -> how many findings were fixed.
        lines: the texts that the findings are about.
        rows: where the cells are written that they stand in.
        colour: True where ANSI colours are wanted.
        quiet: True where nothing but the findings is wanted.
        applied: the risks of the fixes that were asked for, none where nothing was to be changed.
    """

    findings: Sequence[Finding]
    fixed: Mapping[str, int] = field(default_factory=dict)
    lines: Lines = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    colour: bool = False
    quiet: bool = False
    applied: Collection[Applicability] = ()

    def document_rows(self, where: Finding | Related) -> tuple[int, int]:
        """First and last row in the file; a cell of a notebook that is not known counts from its top."""
        first, last = where.span.start.row, where.span.end.row
        if where.cell is None:
            return first, last
        rows = self.rows.get((where.filename, where.cell), ())
        return (rows[first - 1], rows[last - 1]) if last <= len(rows) else (1, 1)


def render(output_format: str, report: Report) -> str:
    """The report in one of `FORMATS`, ending in a newline."""
    text: str = importlib.import_module(f"{__name__}.{output_format.replace('-', '_')}").render(report)
    return text
