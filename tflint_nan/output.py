"""Where results go: to a stream or a file, in colours or not, with a bar while somebody waits for them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import click

from tflint_nan import report
from tflint_nan.job import Mode, Result
from tflint_nan.report import concise
from tflint_nan.report import statistics as counts

#: Files that take long enough for somebody to wait.
MANY = 50


class Failure(click.ClickException):
    """What keeps the command from doing its job, in one line."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print it on standard error."""
        click.echo(f"error: {self.format_message()}", err=True)


class Shown(NamedTuple):
    """What is printed, and how: the options of `check` by these names."""

    output_format: str
    output_file: Path | None
    color: str
    quiet: bool
    diff: bool
    statistics: bool
    stdin: bool


@contextmanager
def progress(count: int, quiet: bool) -> Iterator[Callable[[], object]]:
    """A bar on standard error that its result moves on; none where nobody waits for it, or nobody looks."""
    if quiet or count < MANY or not sys.stderr.isatty():
        yield int
        return
    with click.progressbar(length=count, label="Checking", file=sys.stderr) as bar:
        yield lambda: bar.update(1)
    # The bar was for waiting; the report begins on a clean line.
    click.echo("\x1b[1A\x1b[2K", nl=False, err=True)


def show(results: list[Result], mode: Mode, shown: Shown) -> None:
    """The report, in a file or on standard output; with a fixed text or a diff there, on standard error.

    Raises:
        Failure: the file cannot be written.
    """
    fixed: Counter[str] = Counter()
    for result in results:
        fixed.update(result.fixed)
    findings = sorted(
        (finding for result in results for finding in result.findings), key=lambda f: f.sort_key
    )
    aside = shown.diff or (shown.stdin and mode.write)
    stream = sys.stderr if aside else sys.stdout
    content = report.Report(
        findings,
        fixed,
        {key: text for result in results for key, text in result.lines.items()},
        {key: rows for result in results for key, rows in result.rows.items()},
        colour=shown.output_file is None and _colour(stream, shown.color),
        applied=mode.applied,
        quiet=shown.quiet,
    )
    if shown.diff:
        click.echo("".join(result.diff for result in results), nl=False)
        faults = [finding for result in results if result.failed for finding in result.findings]
        for finding in faults:
            click.echo(concise.line(finding), nl=False, err=True)
        count = sum(fixed.values())
        if not shown.quiet:
            click.echo(
                f"Would fix {count} error{'s' if count != 1 else ''}, {len(findings)} would remain.", err=True
            )
        return
    if aside:
        sys.stdout.buffer.write(results[0].data)
        sys.stdout.buffer.flush()
    if shown.statistics:
        text = counts.render(content, shown.output_format)
    else:
        text = report.render(shown.output_format, content)
    if shown.output_file is None:
        click.echo(text, nl=False, err=aside, color=content.colour)
        return
    save(shown.output_file, text)


def save(path: Path, text: str) -> None:
    """Write a file that the option `--output-file` names.

    Raises:
        Failure: it cannot be written.
    """
    try:
        path.write_bytes(text.encode(errors="backslashreplace"))
    except OSError as error:
        raise Failure(f"--output-file {path}: {error.strerror or error}") from error


def _colour(stream: TextIO, wanted: str) -> bool:
    """True where colours are wanted: https://no-color.org and https://force-color.org, else on a terminal."""
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()
