"""Markdown: the rows of its Python code blocks, and the document with all other rows blank."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SUFFIXES = (".md", ".markdown", ".qmd", ".rmd")
#: A fence of CommonMark; in a list it may be indented further than the three columns of a paragraph.
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,})(?P<info>[^`\r\n]*)$")
#: `python`, `py`, `python3`, with attributes behind it; `{python}` of Quarto; `{code-cell} ipython3` of MyST.
_PYTHON = re.compile(r"^\s*\{?\s*\.?(?:code-cell\}?\s+)?i?(?:python3?|py3?)(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fence:
    """The rows of a block, from `first` to `last`, and the columns that all of them are indented by."""

    first: int
    last: int
    indent: int


def python_fences(lines: Sequence[str]) -> tuple[Fence, ...]:
    """The Python blocks of a document, given its lines without their ends."""
    found: list[Fence] = []
    opened: tuple[int, str, bool] | None = None
    for row, line in enumerate(lines, 1):
        match = _FENCE.match(line)
        if match is None:
            continue
        if opened is None:
            opened = (row, match["marks"], bool(_PYTHON.match(match["info"])))
        elif match["marks"].startswith(opened[1]) and not match["info"].strip():
            found += _block(lines, opened, row - 1)
            opened = None
    if opened is not None:  # It was never closed: it goes on to the end.
        found += _block(lines, opened, len(lines))
    return tuple(found)


def _block(lines: Sequence[str], opened: tuple[int, str, bool], last: int) -> list[Fence]:
    first, _, is_python = opened
    rows = [line for line in lines[first:last] if line.strip()]
    if not is_python or not rows:
        return []
    return [Fence(first + 1, last, min(len(line) - len(line.lstrip()) for line in rows))]


def only(lines: Sequence[str], fences: Sequence[Fence]) -> str:
    """The text of these blocks, without what they are indented by, in the rows that they stand in."""
    kept = [""] * len(lines)
    for fence in fences:
        for row in range(fence.first, fence.last + 1):
            kept[row - 1] = lines[row - 1][fence.indent :]
    return "\n".join(kept)
