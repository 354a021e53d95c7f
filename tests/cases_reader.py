"""Reads `tests/cases/*.md`; `tests/cases/README.md` says how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).parent / "cases"

_FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_EXPECTATION = re.compile(r'#[ \t]*(error|strict|select):[ \t]*(\d{3})[ \t]+"((?:[^"\\]|\\.)*)"[ \t]*')
_LOOKS_LIKE_ONE = re.compile(r"#[ \t]*(error|strict|select)\b[ \t]*:")
KINDS = {
    ("python",): "code",
    ("python", "fixed"): "fixed",
    ("python", "fixed-safe"): "fixed-safe",
    ("inputs",): "inputs",
    ("inputs", "example"): "inputs example",
}


@dataclass(frozen=True, slots=True, order=True)
class Expectation:
    """`code` stands at `row` (from 1) with `message` as a part of what it says; `level` tells when."""

    row: int
    code: str
    message: str
    level: str = "error"  # or strict, select


@dataclass(slots=True)
class Case:
    """A fence of code and what belongs to it. `row` is the fence's own row in the file."""

    rule: str
    title: str
    row: int
    text: str
    expectations: tuple[Expectation, ...]
    fixed: str | None = None
    fixed_safe: str | None = None
    inputs: str | None = None

    @property
    def id(self) -> str:
        """Rule, row and sentence, for pytest."""
        words = re.sub(r"[^\w.+-]+", "-", self.title).strip("-").lower()
        return f"{self.rule}:{self.row}:{words[:60]}"


@dataclass(slots=True)
class CaseFile:
    """All cases of one rule, and the inputs for its page's example."""

    rule: str
    cases: list[Case] = field(default_factory=list)
    example_inputs: str | None = None


def expectations(text: str) -> tuple[str, tuple[Expectation, ...]]:
    """`text` without its expectation comments, and the expectations.

    Raises:
        ValueError: a comment looks like an expectation and cannot be read.
    """
    rows: list[str] = []
    found: list[Expectation] = []
    for number, row in enumerate(text.split("\n"), start=1):
        first = _EXPECTATION.search(row)
        if first is None:
            rest = row
        else:
            rest = row[: first.start()].rstrip()
            comments = row[first.start() :]
            for kind, code, message in _EXPECTATION.findall(comments):
                message = message.replace('\\"', '"')
                found.append(Expectation(number, f"NAN{code}", message, kind))
            left_over = _EXPECTATION.sub("", comments)
            if left_over.strip():
                raise ValueError(f"row {number}: cannot read {left_over!r}")
        if _LOOKS_LIKE_ONE.search(rest):
            raise ValueError(f"row {number}: cannot read {rest.strip()!r}")
        rows.append(rest)
    return "\n".join(rows), tuple(found)


def read(path: Path) -> CaseFile:
    """The cases of one file, in order.

    Raises:
        ValueError: a fence of an unknown kind, or one that belongs to no fence of code.
    """
    markdown = path.read_text(encoding="utf-8")
    result = CaseFile(path.stem)
    end = 0
    for match in _FENCE.finditer(markdown):
        row = markdown.count("\n", 0, match.start()) + 1
        kind = KINDS.get(tuple(match["info"].split()))
        if kind is None:
            raise ValueError(f"{path.name}:{row}: unknown kind of fence {match['info']!r}")
        body = match["body"]
        if kind == "code":
            title = _sentence(markdown[end : match.start()])
            try:
                text, expected = expectations(body)
            except ValueError as error:
                raise ValueError(f"{path.name}:{row}: {error}") from None
            result.cases.append(Case(result.rule, title, row, text, expected))
        elif kind == "inputs example":
            result.example_inputs = body
        elif not result.cases:
            raise ValueError(f"{path.name}:{row}: a {kind} fence without a fence of code before it")
        else:
            name = kind.replace("-", "_")
            if getattr(result.cases[-1], name) is not None:
                raise ValueError(f"{path.name}:{row}: a second {kind} fence for one fence of code")
            setattr(result.cases[-1], name, body)
        end = match.end()
    return result


def _sentence(prose: str) -> str:
    """The last paragraph before a fence, or the last heading where no paragraph stands."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", prose) if block.strip()]
    if not blocks:
        return ""
    last = blocks[-1].splitlines()
    plain = [row for row in last if not row.startswith("#")] or [row.lstrip("# ") for row in last]
    return " ".join(plain)


def case_files() -> Iterator[CaseFile]:
    """Every case file, by name."""
    for path in sorted(CASES.glob("*.md")):
        if path.name != "README.md":
            yield read(path)
