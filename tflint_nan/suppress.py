"""Which rows of a text silence which codes: `noqa` comments, as Ruff reads them.

* `# noqa` silences every rule on the statement that the row belongs to, `# noqa: NAN101, NAN103` these;
  `# tflint-nan: noqa` and `# tflint-nan: noqa: NAN101` behind code do the same and speak to this tool only.
* `# tflint-nan: noqa` (also `ruff:` and `flake8:`) on a row of its own silences the whole file, with codes
  these codes.

A code is written out; `# noqa: NAN1` names no rule.
"""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

_CODES = r"(?P<colon>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?)?(?![\w:-])"
_ROW = re.compile(rf"#\s*(?:tflint-nan\s*:\s*)?(?i:noqa){_CODES}")
_FILE = re.compile(rf"#\s*(?i:tflint-nan|ruff|flake8)\s*:\s*(?i:noqa){_CODES}")
_CODE = re.compile(r"[A-Z]+[0-9]+")


@dataclass(frozen=True, slots=True)
class Code:
    """A code as it stands in a comment, its columns from 1; `end` is the column behind it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Directive:
    """One `noqa`, from its `#` up to the last of its codes.

    Attributes:
        row: its row, from 1.
        start: the column of its `#`, from 1.
        end: the column behind its last code.
        codes: what it silences; None for everything. A colon with no code behind it is a mistake, as it is
            for Ruff, and silences nothing.
        whole: True where it speaks for the whole file, False for one of the statement on its row.
        certain: False where the text could not be told into tokens, and it may stand in a string.
    """

    row: int
    start: int
    end: int
    codes: tuple[Code, ...] | None
    whole: bool
    certain: bool

    def names(self, code: str) -> bool:
        """Whether it silences `code`."""
        return self.codes is None or any(own.text == code for own in self.codes)


class Suppressions:
    """The `noqa` comments of one text: `directives`, in its order."""

    def __init__(self, text: str) -> None:
        self.directives = tuple(_directives(text)) if mentioned(text) else ()
        self._of_file = [directive for directive in self.directives if directive.whole]
        self._of_rows = [directive for directive in self.directives if not directive.whole]

    def silencing(self, code: str, rows: tuple[int, int]) -> list[Directive]:
        """What silences `code` on a statement's rows (first, last).

        Where the whole file is silent, what speaks for the rows has nothing left to do, as in Ruff.
        """
        whole = [directive for directive in self._of_file if directive.names(code)]
        if whole:
            return whole
        first = bisect_left(self._of_rows, rows[0], key=attrgetter("row"))
        last = bisect_right(self._of_rows, rows[1], key=attrgetter("row"))
        return [directive for directive in self._of_rows[first:last] if directive.names(code)]


def mentioned(text: str) -> bool:
    """False where a text surely has no `noqa` comment."""
    return "noqa" in text.lower()


def _directives(text: str) -> Iterator[Directive]:
    for row, column, comment, alone, certain in _comments(text):
        whole = _FILE.match(comment) if alone else None
        for match in [whole] if whole is not None else _ROW.finditer(comment):
            codes = _codes(match, column)
            start, end = column + match.start(), column + match.end()
            yield Directive(row, start, end, codes, whole is not None, certain)


def _codes(match: re.Match[str], column: int) -> tuple[Code, ...] | None:
    if match["colon"] is None:
        return None
    base = column + match.start("codes")
    found = _CODE.finditer(match["codes"] or "")
    return tuple(Code(code[0], base + code.start(), base + code.end()) for code in found)


def _comments(text: str) -> Iterator[tuple[int, int, str, bool, bool]]:
    """Row, column, text, "nothing else on its row" and "certain" of every comment.

    Not of what looks like one in a string, as far as the text can be told into tokens.
    """
    lines = io.StringIO(text, newline=None).readlines()
    last = 0
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            last, column = token.start
            if token.type == tokenize.COMMENT:
                yield last, column + 1, token.string, not lines[last - 1][:column].strip(), True
    except (tokenize.TokenError, SyntaxError):
        # Syntax newer than the running Python stops its tokenizer; the rows behind are read as they are.
        for row, line in enumerate(lines[last:], last + 1):
            code, hash_, comment = line.rpartition("#")
            if hash_:
                yield row, len(code) + 1, hash_ + comment.rstrip("\n"), not code.strip(), False
