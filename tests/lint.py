"""The one way in for tests: text in, findings or fixed text out, without files and settings around it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tflint_nan.cli import main

from tflint_nan.engine import Settings, lint
from tflint_nan.finding import Finding, Level
from tflint_nan.registry import rules
from tflint_nan.source import Source


@cache
def settings(strict: bool) -> Settings:
    """What runs without any option, or with `--strict` alone."""
    wanted = (Level.DEFAULT, Level.STRICT) if strict else (Level.DEFAULT,)
    level = Level.STRICT if strict else Level.DEFAULT
    return Settings(
        shown={rule.code: level for rule in rules() if rule.level in wanted},
        thresholds={name: number for rule in rules() for name, number in rule.thresholds.items()},
    )


def check(text: str, *, strict: bool = False) -> list[Finding]:
    """The findings of one text."""
    return lint(Source("case.py", text), settings(strict))


@dataclass(frozen=True, slots=True)
class Run:
    """What the command did: exit status, standard output and error; the findings where it printed json."""

    status: int
    stdout: str
    stderr: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.stdout)
        return found

    @property
    def codes(self) -> list[str]:
        """Codes in order of their places."""
        return [finding["code"] for finding in self.findings]


def command(*words: str | Path, stdin: str | None = None) -> Run:
    """`tflint-nan <words>` in this process."""
    result = CliRunner().invoke(main, [str(word) for word in words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)


def check_files(*paths: Path, options: Sequence[str] = ()) -> Run:
    """`tflint-nan check` with json output, no configuration and no cache."""
    return command("check", "--isolated", "--no-cache", "--output-format", "json", *options, *paths)


def fix(text: str, *, unsafe: bool, strict: bool = False) -> str:
    """The text after `check --fix`, with `--unsafe-fixes` where `unsafe`.

    The text goes through standard input, as an editor would send it.
    """
    options = ["--fix", *["--unsafe-fixes"] * unsafe, *["--strict"] * strict]
    run = command(
        "check", "--isolated", "--no-cache", *options, "--stdin-filename", "case.py", "-", stdin=text
    )
    assert run.status in (0, 1), run.stdout + run.stderr
    return run.stdout
