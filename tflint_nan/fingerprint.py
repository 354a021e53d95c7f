"""What tells a finding from others of its file, wherever in it the code is moved."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from tflint_nan.finding import Finding, Lines

#: Hexadecimal digits, 64 bits: that any two of a million findings agree has odds of 1 to 40 million.
DIGITS = 16


def fingerprints(findings: Sequence[Finding], lines: Lines, root: str = os.curdir) -> list[str]:
    """The fingerprint of each finding: of its file's path from `root`, its code and the text of its line.

    Row, column, indentation and cell do not count. Of findings that agree in all of this, the first in the
    text has another fingerprint than the second.

    Args:
        findings: those of one run, sorted.
        lines: the texts that they are about; of a text that is missing, the line counts as empty.
        root: a folder.
    """
    seen: Counter[str] = Counter()
    found = []
    for identity in _identities(findings, lines, root):
        seen[identity] += 1
        content = f"{identity}\n{seen[identity]}".encode(errors="surrogateescape")
        found.append(hashlib.sha256(content).hexdigest()[:DIGITS])
    return found


def _identities(findings: Sequence[Finding], lines: Lines, root: str) -> Iterator[str]:
    for finding in findings:
        text = lines.get((finding.filename, finding.cell), ())
        row = finding.span.start.row
        line = " ".join(text[row - 1].split()) if row <= len(text) else ""
        yield "\n".join((path_from(root, finding.filename), finding.code, line))


def path_from(root: str, filename: str) -> str:
    """`filename` from the folder `root`, with slashes; as it is where no way leads there (another drive)."""
    try:
        return os.path.relpath(filename, root).replace(os.sep, "/")
    except ValueError:
        return filename
