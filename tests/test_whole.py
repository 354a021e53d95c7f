"""Whole training programs: every line marked `# BUG` is found, and nothing else is said.

The programs in `tests/whole/` are written the way people write them, several bugs in each; `# SAFE` marks
lines that look like a bug and are none.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lint import check

PROGRAMS = sorted((Path(__file__).parent / "whole").glob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_all_bugs_and_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    marked = {row for row, line in enumerate(text.splitlines(), 1) if line.endswith("# BUG")}
    assert {finding.span.start.row for finding in check(text)} == marked


def test_there_are_bugs_to_find() -> None:
    assert sum(path.read_text(encoding="utf-8").count("# BUG") for path in PROGRAMS) >= 40
