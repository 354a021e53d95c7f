"""Jupyter notebooks (nbformat 3 and 4): their code cells, and new sources for some of them.

Only the strings of a changed cell are written anew; every other byte of the JSON stays.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Ends of lines, as editors count them.
NEWLINE = re.compile(r"\r\n|\r|\n")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
#: Language names of kernels whose cells are Python; a notebook that names none is taken to be Python.
_PYTHON = ("python", "ipython")


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell: its `number`, from 1 among all cells of the notebook, as Ruff counts, and its text."""

    number: int
    text: str


def read_cells(document: str) -> tuple[Cell, ...]:
    """The code cells of a notebook, none where its language is not Python.

    Raises:
        json.JSONDecodeError: it is not JSON.
        ValueError: it is JSON, and no notebook.
    """
    notebook = json.loads(document)
    if not isinstance(notebook, dict):
        raise ValueError("a notebook is a JSON object")
    if not _is_python(notebook.get("metadata")):
        return ()
    cells: list[Cell] = []
    for number, cell in enumerate(_all_cells(notebook), 1):
        if not isinstance(cell, dict):
            raise ValueError(f"cell {number} is not a JSON object")
        if cell.get("cell_type") != "code" or str(cell.get("language", "python")) not in _PYTHON:
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            raise ValueError(f"the source of cell {number} is not text")
        cells.append(Cell(number, source))
    return tuple(cells)


def _is_python(metadata: object) -> bool:
    if not isinstance(metadata, dict):
        return True
    for key, entry in (("language_info", "name"), ("kernelspec", "language")):
        section = metadata.get(key)
        if isinstance(section, dict) and isinstance(section.get(entry), str):
            return section[entry].lower() in _PYTHON
    return True


def _all_cells(notebook: Mapping[str, object]) -> list[object]:
    """Cells in order: nbformat 4 has one list, nbformat 3 one for each worksheet."""
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):
        found = [sheet.get("cells") if isinstance(sheet, dict) else None for sheet in sheets]
        cells = [cell for sheet in found if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise ValueError("a notebook has a list of cells")
    return cells


def write_cells(document: str, sources: Mapping[int, str]) -> str:
    """`document` with new texts for the cells of these numbers.

    A list of lines stays a list, laid out as it was; lines that stay keep their own spelling.
    """
    out: list[str] = []
    done = 0
    for number, start in enumerate(_cell_starts(document), 1):
        if number not in sources:
            continue
        members = {key: (first, last) for key, first, last in _members(document, start)}
        first, last = members["source"] if "source" in members else members["input"]
        out += [document[done:first], _rewritten(document, first, last, sources[number])]
        done = last
    return "".join([*out, document[done:]])


def cell_rows(document: str, number: int) -> list[int]:
    """The row of the document, from 1, in which each line of a cell is written, or begins to be.

    Lines stand apart where `\\n`, `\\r\\n` or `\\r` does; behind the last of these there is one more.
    """
    start = next(start for count, start in enumerate(_cell_starts(document), 1) if count == number)
    members = {key: (first, last) for key, first, last in _members(document, start)}
    first, last = members["source"] if "source" in members else members["input"]
    text = ""
    #: Where each string of the document begins in the cell's text, and the row that it is in.
    begins, rows = [0], [document.count("\n", 0, first) + 1]
    for begin, _ in _elements(document, first) if document[first] == "[" else [(first, last)]:
        begins.append(len(text))
        rows.append(rows[-1] + document.count("\n", first, begin))
        text, first = text + _DECODER.raw_decode(document, begin)[0], begin
    ends = (match.end() for match in NEWLINE.finditer(text))
    return [rows[bisect_right(begins, offset) - 1] for offset in (0, *ends)]


def _cell_starts(document: str) -> Iterator[int]:
    top = {key: start for key, start, _ in _members(document, 0)}
    if "cells" in top:
        yield from (start for start, _ in _elements(document, top["cells"]))
        return
    for sheet, _ in _elements(document, top["worksheets"]):
        inner = {key: start for key, start, _ in _members(document, sheet)}
        if "cells" in inner:
            yield from (start for start, _ in _elements(document, inner["cells"]))


def _skip(document: str, position: int) -> int:
    match = _SPACE.match(document, position)
    assert match is not None
    return match.end()


def _members(document: str, position: int) -> Iterator[tuple[str, int, int]]:
    """Key, start and end of the value of each member of the (valid) object at `position`."""
    position = _skip(document, _skip(document, position) + 1)
    while document[position] != "}":
        key, position = _DECODER.raw_decode(document, position)
        start = _skip(document, _skip(document, position) + 1)
        _, end = _DECODER.raw_decode(document, start)
        yield key, start, end
        position = _skip(document, end)
        if document[position] == ",":
            position = _skip(document, position + 1)


def _elements(document: str, position: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the (valid) array at `position`."""
    position = _skip(document, position + 1)
    while document[position] != "]":
        _, end = _DECODER.raw_decode(document, position)
        yield position, end
        position = _skip(document, end)
        if document[position] == ",":
            position = _skip(document, position + 1)


def _rewritten(document: str, first: int, last: int, source: str) -> str:
    """The JSON of a new source in the place and the form of the one from `first` to `last`."""
    ascii_only = document.isascii()
    if document[first] != "[":
        return json.dumps(source, ensure_ascii=ascii_only)
    spans = list(_elements(document, first))
    literals = {_DECODER.raw_decode(document, start)[0]: document[start:end] for start, end in spans}
    lines = source.splitlines(keepends=True) if "\r" in source else re.findall(r"[^\n]*\n|[^\n]+", source)
    written = [literals.get(line) or json.dumps(line, ensure_ascii=ascii_only) for line in lines]
    if not spans or not written:
        return f"[{', '.join(written)}]"
    opening, closing = document[first : spans[0][0]], document[spans[-1][1] : last]
    between = document[spans[0][1] : spans[1][0]] if len(spans) > 1 else "," + (opening[1:] or " ")
    return opening + between.join(written) + closing
