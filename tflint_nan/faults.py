"""What keeps a run from its job: the findings that say so, which no rule makes, and the log."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import PurePath

from tflint_nan.finding import Finding, Level, Position, Severity, Span
from tflint_nan.registry import Rule, nothing
from tflint_nan.unused import UNUSED

log = logging.getLogger("tflint_nan")
START = Position(1, 1)

UNREADABLE = Rule(
    "NAN900",
    "unreadable-file",
    Level.DEFAULT,
    """NAN900 unreadable-file: the file cannot be read or is not Python, so nothing is known about it.

## Why is this bad?
A file that was not checked must not look like one that is clean. The finding stands where reading stopped
and says why: a syntax error, bytes that are not in the file's encoding, a file that may not be opened, a
notebook that is not JSON, a fixed file that may not be written. The other files of the run are checked. The
exit status is 2, and neither `ignore` nor a `noqa` comment changes that.
""",
    nothing,
    {},
)
CRASH = Rule(
    "NAN901",
    "internal-error",
    Level.DEFAULT,
    """NAN901 internal-error: tflint-nan failed on this file.

## Why is this bad?
What the failing part would have found is not in the report. The finding names the error and where in
tflint-nan it happened; `--verbose` prints the whole traceback. Please report it together with the file. The
other rules and files are checked. The exit status is 2, and neither `ignore` nor a `noqa` comment changes
that.
""",
    nothing,
    {},
)
#: Why a file could not be checked. Always shown, never suppressed: the run could not do its job.
FAULTS = {rule.code: rule for rule in (UNREADABLE, CRASH)}
#: The rules of this tool's own doing, which no graph is asked for.
OWN = {**FAULTS, UNUSED.code: UNUSED}


def crash(filename: str, what: str, error: BaseException) -> Finding:
    """The NAN901 finding for an exception that `what` (a rule, the build) raised."""
    log.info("%s: %s failed", filename, what, exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    words = " ".join(str(error).split())
    described = f"{type(error).__name__}: {words}" if words else type(error).__name__
    message = f"{what} failed: {described[:200]}{place}"
    return fault(
        CRASH, filename, message, "this is a fault in tflint-nan; please report it together with the file"
    )


def fault(
    rule: Rule,
    filename: str,
    message: str,
    help: str,
    position: Position = START,
    cell: int | None = None,
) -> Finding:
    """The finding that says why a file was not checked, or not written."""
    return Finding(
        code=rule.code,
        name=rule.name,
        message=message,
        filename=filename,
        span=Span(position, position),
        severity=Severity.ERROR,
        level=rule.level,
        help=help,
        statement=(position.row, position.row),
        cell=cell,
    )


def log_to_stderr(level: int) -> None:
    """Print what tflint-nan logs from `level` on, in this process."""
    log.handlers[:] = [logging.StreamHandler(sys.stderr)]
    log.setLevel(level)
