"""NAN902 unused-suppression: a `noqa` comment names a code that it does not silence.

## Why is this bad?
The code was mended and the comment stayed, or it names a rule that does not exist: either way it says that
something is known to be wrong where nothing is, and the next problem on that statement is silenced before
anybody has seen it.

Reported are codes of this tool, in comments on a row and in those for the whole file: one that silences
nothing, one that no rule has (`NAN999`; `NAN1` is no rule either), one that stands in its comment twice. A
code on a row is unused, too, where a comment for the whole file has it. Codes of other tools are theirs to
judge, and so is a `noqa` without codes.

A run only judges what it has seen. A code is not called unused where its rule is not selected, is ignored,
or needs `--strict`; nor where the rule failed on the file, nor in a notebook with a cell that is not Python.
What silences a finding that only `--strict` shows is in use, in every run. So this rule, which runs only when
it is selected by its code, is best added to the others: `--extend-select NAN902`. A comment that names NAN902
is left alone.

## Example
```python
import tensorflow as tf

images = tf.placeholder(tf.float32, [None, 784])
logits = tf.layers.dense(images, 10)
log_probabilities = tf.nn.log_softmax(logits)  # noqa: NAN101, E501  # the logits are small
```

## Use instead
```python
import tensorflow as tf

images = tf.placeholder(tf.float32, [None, 784])
logits = tf.layers.dense(images, 10)
log_probabilities = tf.nn.log_softmax(logits)  # noqa: E501  # the logits are small
```

## Fix safety
Safe: only the comment changes. The codes that are reported go; the comment goes with them where no code
remains, and whatever else was written behind it stays.

## References
* [Ruff: unused-noqa (RUF100)](https://docs.astral.sh/ruff/rules/unused-noqa/), the same for its codes
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from tflint_nan.finding import Applicability, Edit, Finding, Fix, Level, Position, Severity, Span
from tflint_nan.registry import Rule, nothing
from tflint_nan.suppress import Code, Directive, Suppressions

if TYPE_CHECKING:
    from tflint_nan.source import Source

UNUSED = Rule("NAN902", "unused-suppression", Level.OPTIONAL, __doc__ or "", nothing, {})
_OURS = re.compile(r"NAN\d+")
#: What joins a `noqa` to the words behind it, which then stand alone.
_JOINT = re.compile(r"(?:\s*[,;:-]+(?=\s|$))?\s*")


def unused(
    source: Source,
    suppressions: Suppressions,
    reported: Mapping[str, Sequence[tuple[int, int]]],
    seen: Container[str],
    known: Container[str],
) -> Iterator[Finding]:
    """What is wrong with the comments of a source, a finding for each of them.

    Args:
        source: where they stand.
        suppressions: the comments.
        reported: code -> the rows (first, last) of the statement of each report, hidden ones included.
        seen: the codes whose reports of this source are all known.
        known: the codes that rules have.
    """
    covered = {code: _Rows(rows) for code, rows in reported.items()}

    def works(directive: Directive, code: str) -> bool:
        of_file = suppressions.of_file(code)
        if directive.whole:
            return of_file is directive and code in covered
        return of_file is None and code in covered and directive.row in covered[code]

    for directive in suppressions.directives:
        if directive.codes is None or not directive.certain or source.is_masked(directive.row):
            continue
        if suppressions.silences(UNUSED.code, (directive.row, directive.row)):
            continue
        idle: list[Code] = []
        unknown: list[Code] = []
        twice: list[Code] = []
        before: set[str] = set()
        for code in directive.codes:
            if _OURS.fullmatch(code.text) is None:
                continue
            if code.text in before:
                twice.append(code)
            elif code.text not in known:
                unknown.append(code)
            elif code.text in seen and not works(directive, code.text):
                idle.append(code)
            before.add(code.text)
        if idle or unknown or twice:
            words = []
            if idle:
                silence = "silences" if len(idle) == 1 else "silence"
                where = "in this file" if directive.whole else "here"
                words.append(f"{_listed(idle)} {silence} nothing {where}")
            if unknown:
                words.append(f"there is no rule {_listed(unknown)}")
            if twice:
                words.append(f"named twice: {_listed(twice)}")
            yield _finding(source, directive, {*idle, *unknown, *twice}, "; ".join(words))


class _Rows:
    """Tells whether a row lies in one of many spans, each (first, last)."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in sorted(spans):
            if self._last and first <= self._last[-1]:
                self._last[-1] = max(self._last[-1], last)
            else:
                self._first.append(first)
                self._last.append(last)

    def __contains__(self, row: int) -> bool:
        index = bisect_right(self._first, row) - 1
        return index >= 0 and row <= self._last[index]


def _listed(codes: Sequence[Code]) -> str:
    return ", ".join(dict.fromkeys(code.text for code in codes))


def _finding(source: Source, directive: Directive, gone: set[Code], message: str) -> Finding:
    cell, span = source.locate(_span(directive.row, directive.start, directive.end))
    nothing_left = len(gone) == len(directive.codes or ())
    edits = _without_comment(source, directive) if nothing_left else tuple(_without(directive, gone))
    named = _listed([code for code in directive.codes or () if code in gone])
    title = "Remove the comment" if nothing_left else f"Remove {named} from the comment"
    return Finding(
        code=UNUSED.code,
        name=UNUSED.name,
        message=message,
        filename=source.filename,
        span=span,
        severity=Severity.WARNING,
        level=UNUSED.level,
        help=f"remove {named}",
        statement=(span.start.row, span.end.row),
        fix=source.located(Fix(Applicability.SAFE, title, edits)),
        cell=cell,
    )


def _span(row: int, start: int, end: int) -> Span:
    return Span(Position(row, start), Position(row, end))


def _without(directive: Directive, gone: set[Code]) -> Iterator[Edit]:
    """Takes codes out of a comment that keeps others, each with what stands between it and the one before."""
    codes = directive.codes or ()
    first = next(code for code in codes if code not in gone)
    if first.start > codes[0].start:
        yield Edit(_span(directive.row, codes[0].start, first.start), "")
    for previous, code in pairwise(codes):
        if code in gone and code.start > first.start:
            yield Edit(_span(directive.row, previous.end, code.end), "")


def _without_comment(source: Source, directive: Directive) -> tuple[Edit, ...]:
    """Takes the comment away and leaves what else is said on its row; a row that had nothing else goes."""
    line = source.line(directive.row)
    before, behind = line[: directive.start - 1], line[directive.end - 1 :]
    rest = behind[len(match[0]) :] if (match := _JOINT.match(behind)) else behind
    if not rest and not before.strip():
        row = directive.row
        return (Edit(Span(Position(row, 1), Position(row + 1, 1)), ""),)
    if not rest:
        return (Edit(_span(directive.row, len(before.rstrip()) + 1, len(line) + 1), ""),)
    kept = "" if rest.startswith("#") else "# "
    return (Edit(_span(directive.row, directive.start, len(line) - len(rest) + 1), kept),)
