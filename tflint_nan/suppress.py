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
from collections.abc import Iterator

_CODES = r"(?P<colon>\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?)?(?![\w:-])"
_ROW = re.compile(rf"#\s*(?:tflint-nan\s*:\s*)?(?i:noqa){_CODES}")
_FILE = re.compile(rf"#\s*(?i:tflint-nan|ruff|flake8)\s*:\s*(?i:noqa){_CODES}")
_CODE = re.compile(r"[A-Z]+[0-9]+")
#: Stands for every code.
_ALL = frozenset({"*"})


class Suppressions:
    """The `noqa` comments of one text."""

    def __init__(self, text: str) -> None:
        self._rows: dict[int, frozenset[str]] = {}
        self._file: frozenset[str] = frozenset()
        if "noqa" not in text.lower():
            return
        for row, comment, alone in _comments(text):
            whole = _FILE.match(comment) if alone else None
            if whole is not None:
                self._file |= _codes(whole)
                continue
            for match in _ROW.finditer(comment):
                self._rows[row] = self._rows.get(row, frozenset()) | _codes(match)

    def silences(self, code: str, rows: tuple[int, int]) -> bool:
        """True where a comment on one of the rows (first, last) or for the file names `code` or all codes."""
        wanted = {code, "*"}
        if wanted & self._file:
            return True
        first, last = rows
        return any(first <= row <= last and wanted & codes for row, codes in self._rows.items())


def _codes(match: re.Match[str]) -> frozenset[str]:
    if match["colon"] is None:
        return _ALL
    # A colon with no code behind it is a mistake, as it is for Ruff, and silences nothing.
    return frozenset(_CODE.findall(match["codes"] or ""))


def _comments(text: str) -> Iterator[tuple[int, str, bool]]:
    """Row, text and "nothing else on its row" of every comment, not of what looks like one in a string."""
    lines = io.StringIO(text, newline=None).readlines()
    last = 0
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            last, column = token.start
            if token.type == tokenize.COMMENT:
                yield last, token.string, not lines[last - 1][:column].strip()
    except (tokenize.TokenError, SyntaxError):
        # Syntax newer than the running Python stops its tokenizer; the rows behind are read as they are.
        for row, line in enumerate(lines[last:], last + 1):
            code, hash_, comment = line.rpartition("#")
            if hash_:
                yield row, hash_ + comment, not code.strip()
