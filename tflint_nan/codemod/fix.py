"""One codemod for every rule, and `All`: `libcst.tool codemod` with the engine of `check --fix`.

A file is checked and fixed as the command does it, with its configuration and the project's other files. What
is left is a warning of the codemod.
"""

from __future__ import annotations

import argparse
from abc import ABC
from functools import cache
from pathlib import Path
from typing import ClassVar

import libcst as cst
from libcst.codemod import CodemodCommand, CodemodContext, SkipFile

from tflint_nan.check import Surroundings, check_source
from tflint_nan.config import Configs, Overrides, Selection
from tflint_nan.files import display_name
from tflint_nan.job import Mode
from tflint_nan.registry import Rule, rules
from tflint_nan.report import concise
from tflint_nan.source import Source, SourceError


class FixCommand(CodemodCommand, ABC):
    """Applies the fixes of some rules; `selection` says of which."""

    selection: ClassVar[Selection] = Selection()

    def __init__(self, context: CodemodContext, unsafe_fixes: bool = False) -> None:
        super().__init__(context)
        self._mode = Mode(fix=True, unsafe=unsafe_fixes)

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        """Add `--unsafe-fixes`."""
        arg_parser.add_argument(
            "--unsafe-fixes",
            action="store_true",
            help="Also apply the fixes that change what is trained.",
        )

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """The module with the fixes; the same one where there are none."""
        working = Path.cwd()
        path = working / (self.context.filename or "-")
        settings = _configs(working, self.selection).of(path.parent).settings(path)
        try:
            source = Source.from_bytes(display_name(path, working), tree.bytes)
        except SourceError as error:
            raise SkipFile(error.reason) from error
        result = check_source(source, settings, self._mode, _surroundings())
        for finding in result.findings:
            self.warn(concise.line(finding).rstrip("\n"))
        return cst.parse_module(result.data, tree.config_for_parsing) if result.diff else tree


@cache
def _configs(working: Path, selection: Selection) -> Configs:
    """The configurations of the files that a process is given."""
    return Configs(Overrides(selection=selection), working)


@cache
def _surroundings() -> Surroundings:
    """The files that those of a process import."""
    return Surroundings()


def _command(rule: Rule) -> type[FixCommand]:
    members = {
        "__module__": __name__,
        "__doc__": f"The fix of {rule.code}: {rule.summary}",
        "DESCRIPTION": f"{rule.code} {rule.name}: {rule.summary}",
        "selection": Selection(select=(rule.code,)),
    }
    return type("".join(word.capitalize() for word in rule.name.split("-")), (FixCommand,), members)


class All(FixCommand):
    """The fixes of all rules that the configuration selects."""

    DESCRIPTION = "Rewrite TensorFlow and Keras code that will turn into NaN into its stable form."


#: Name -> command.
COMMANDS: dict[str, type[FixCommand]] = {"All": All}
COMMANDS.update((command.__name__, command) for command in map(_command, rules()))
globals().update(COMMANDS)
