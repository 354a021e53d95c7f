"""The rules as a plugin of flake8: `flake8 --select NAN`, its `noqa` comments, formats and ignores."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tflint_nan import __version__
from tflint_nan.baseline import BaselineError
from tflint_nan.check import Surroundings, check_source
from tflint_nan.config import ConfigError, Configs, Overrides
from tflint_nan.job import Mode
from tflint_nan.source import Source

#: What flake8 calls standard input.
_STDIN = ("stdin", "-")


class Plugin:
    """One file, as flake8 hands it over; settings are those of `tflint-nan check` for that file.

    Args:
        tree: the file's syntax tree, which flake8 makes for all of its plugins.
        filename: the file's path, relative to the working folder.
        lines: its lines, with their ends.
    """

    name = "tflint-nan"
    version = __version__

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        self._filename = filename
        self._lines = lines

    def run(self) -> Iterator[tuple[int, int, str, type]]:
        """Row from 1, column from 0, the code with what is wrong, and the plugin, of each finding."""
        name = self._filename if self._filename not in _STDIN else "-"
        path = Path(os.path.abspath(name))
        try:
            config = _configs().of(path.parent)
            known = config.known()
        except (BaselineError, ConfigError) as error:
            yield (1, 0, f"NAN900 {error}", type(self))
            return
        source = Source(name, "".join(self._lines))
        result = check_source(source, config.settings(path), Mode(), _surroundings())
        for finding in result.without(known).findings:
            start = finding.span.start
            yield (start.row, start.column - 1, f"{finding.code} {finding.message}", type(self))


@cache
def _configs() -> Configs:
    return Configs(Overrides(), Path(os.path.abspath(os.curdir)))


@cache
def _surroundings() -> Surroundings:
    """Those of one process of flake8, which lives for one run."""
    return Surroundings()
