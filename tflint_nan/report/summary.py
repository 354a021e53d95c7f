"""The last lines of a report for people: how much was found, fixed, and can be fixed."""

from __future__ import annotations

from tflint_nan.finding import Applicability
from tflint_nan.report import Report


def summary(report: Report) -> str:
    """One or two lines, each with its newline."""
    remaining, fixed = len(report.findings), sum(report.fixed.values())
    if not remaining and not fixed:
        return "All checks passed!\n"
    total = remaining + fixed
    counts = f" ({fixed} fixed, {remaining} remaining)" if fixed else ""
    return f"Found {total} error{'s' if total != 1 else ''}{counts}.\n" + _fixable(report)


def _fixable(report: Report) -> str:
    kinds = [finding.fix.applicability for finding in report.findings if finding.fix]
    # What is left after fixes were applied cannot be applied: only the riskier ones are worth a word.
    safe = 0 if report.applied else kinds.count(Applicability.SAFE)
    unsafe = kinds.count(Applicability.UNSAFE)
    if safe and unsafe:
        return f"{safe} fixable with --fix, {unsafe} more with --unsafe-fixes.\n"
    if safe:
        return f"{safe} fixable with --fix.\n"
    if unsafe:
        return f"{unsafe} fixable with --fix --unsafe-fixes.\n"
    return ""
