"""The ways in for tests: text or files in, findings or fixed text out."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tflint_nan.check import Mode, check_bytes
from tflint_nan.cli import main
from tflint_nan.config import Config, Selection
from tflint_nan.engine import Settings
from tflint_nan.finding import Finding


@cache
def settings(strict: bool, select: tuple[str, ...] = ()) -> Settings:
    """What runs without a configuration file, with `--strict` where `strict`, and `--extend-select`."""
    layers = (Selection(extend_select=select),)
    return Config(root=Path(), layers=layers, strict=strict).settings(Path("case.py"))


def check(text: str, *, strict: bool = False, select: tuple[str, ...] = ()) -> list[Finding]:
    """The findings of one text; a crash is one of them."""
    mode = Mode(write=False, fix=False, unsafe=False)
    return list(check_bytes(text.encode(), "case.py", settings(strict, select), mode).findings)


def fix(text: str, *, unsafe: bool, strict: bool = False, select: tuple[str, ...] = ()) -> str:
    """The text after `check --fix`, with `--unsafe-fixes` where `unsafe`."""
    mode = Mode(write=True, fix=True, unsafe=unsafe)
    result = check_bytes(text.encode(), "case.py", settings(strict, select), mode)
    assert not result.failed, [finding.message for finding in result.findings]
    return result.data.decode()


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


def command(*words: str | Path) -> Run:
    """`tflint-nan <words>` in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main([str(word) for word in words])
    return Run(status, stdout.getvalue(), stderr.getvalue())


def check_files(*paths: Path, options: Sequence[str] = ()) -> Run:
    """`tflint-nan check` with json output, no configuration and no cache."""
    return command("check", "--isolated", "--no-cache", "--output-format", "json", *options, *paths)
