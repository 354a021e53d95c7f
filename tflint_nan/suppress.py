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

_CODES = r"(?P<colon>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?)?(?![\w:-])"
_ROW = re.compile(rf"#\s*(?:tflint-nan\s*:\s*)?(?i:noqa){_CODES}")
_FILE = re.compile(rf"#\s*(?i:tflint-nan|ruff|flake8)\s*:\s*(?i:noqa){_CODES}")
_CODE = re.compile(r"[A-Z]+[0-9]+")
#: Stands for every code.
_ALL = "*"


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


class Suppressions:
    """The `noqa` comments of one text: `directives`, in its order."""

    def __init__(self, text: str) -> None:
        self.directives = tuple(_directives(text)) if mentioned(text) else ()
        #: Code -> the first comment for the file that names it.
        self._of_file: dict[str, Directive] = {}
        #: Code -> the rows with a comment that names it, sorted.
        self._of_rows: dict[str, list[int]] = {}
        for directive in self.directives:
            for code in [_ALL] if directive.codes is None else [code.text for code in directive.codes]:
                if directive.whole:
                    self._of_file.setdefault(code, directive)
                else:
                    self._of_rows.setdefault(code, []).append(directive.row)

    def silences(self, code: str, rows: tuple[int, int]) -> bool:
        """True where a comment on one of the rows (first, last) or for the file names `code` or all codes."""
        if self.of_file(code) is not None:
            return True
        known = [self._of_rows.get(name, []) for name in (code, _ALL)]
        return any(bisect_left(found, rows[0]) < bisect_right(found, rows[1]) for found in known)

    def of_file(self, code: str) -> Directive | None:
        """The comment that silences `code` in the whole file; those behind it have nothing left to do."""
        return self._of_file.get(_ALL) or self._of_file.get(code)


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
