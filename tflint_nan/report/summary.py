"""The last lines of a report for people: how much was found, fixed, and can be fixed."""

from __future__ import annotations

from collections.abc import Iterator

from tflint_nan.finding import Applicability
from tflint_nan.report import Report


def summary(report: Report) -> str:
    """One or two lines, each with its newline: every finding is counted once, fixed or not."""
    if report.quiet:
        return ""
    fixed = sum(report.fixed.values())
    total = fixed + len(report.findings)
    if not total:
        return "All checks passed!\n"
    found = f"Found {total} error{'s' if total != 1 else ''}"
    if report.applied:
        return f"{found}: {', '.join([f'fixed {fixed}', *_rest(report)])}.\n"
    rest = ", ".join(_rest(report))
    return f"{found}.\n{rest}.\n" if "fix" in rest else f"{found}.\n"


def _rest(report: Report) -> Iterator[str]:
    """What can be done about the findings that remain."""
    # A fix that was asked for and is still there could not be applied.
    kinds = [
        finding.fix.applicability
        for finding in report.findings
        if finding.fix and finding.fix.applicability not in report.applied
    ]
    safe, unsafe = kinds.count(Applicability.SAFE), kinds.count(Applicability.UNSAFE)
    if safe:
        yield f"{safe} fixable with --fix"
    if unsafe and (safe or report.applied):
        yield f"{unsafe} more with --unsafe-fixes"
    elif unsafe:
        yield f"{unsafe} fixable with --fix --unsafe-fixes"
    yours = len(report.findings) - safe - unsafe
    if yours:
        yield f"{yours} need{'s' if yours == 1 else ''} you"
