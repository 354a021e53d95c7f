"""Finds rules by name: every module of `tflint_nan.rules` and of the packs that others install."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tflint_nan.finding import Level

if TYPE_CHECKING:
    from tflint_nan.graph import Graph, Report

Check = Callable[["Graph"], "Iterator[Report]"]
#: Packages of other people's rules register themselves under this entry-point group.
GROUP = "tflint_nan.rules"
_OWN = "tflint_nan.rules"
_DECORATOR = re.compile(r"^(@rule\(.*?)^def ", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its code, its name (the bad thing), when it is shown, its page and its check.

    Attributes:
        needs: sets of canonical op names; the rule reports nothing unless an op of each set occurs.
    """

    code: str
    name: str
    level: Level
    page: str
    check: Check
    thresholds: Mapping[str, float]
    needs: tuple[frozenset[str], ...] = ()

    def may_report(self, names: Set[str]) -> bool:
        """Whether the rule may say something about a program in which the ops of these names occur."""
        return not any(map(names.isdisjoint, self.needs))

    @property
    def summary(self) -> str:
        """The page's first paragraph, without the code and name."""
        first = self.page.strip().split("\n\n", 1)[0]
        return " ".join(first.split(": ", 1)[-1].split())


def rule(
    code: str,
    name: str,
    level: Level = Level.DEFAULT,
    thresholds: Mapping[str, float] | None = None,
    needs: Collection[Collection[str]] = (),
) -> Callable[[Check], Check]:
    """Mark a function as the check of a rule; its module's docstring is the rule's page.

    Args:
        code: `NAN` and three digits.
        name: the bad thing, in words joined by hyphens.
        level: when findings are shown; a single report may be weaker, never stronger.
        thresholds: name -> default of the numbers that users may set; `graph.threshold(name)` reads them.
        needs: sets of canonical op names. A program in which none of the ops of a set occurs is not checked,
            so each set has every op without which nothing can be reported; without sets, all are checked.
    """

    def mark(check: Check) -> Check:
        check.__tflint_nan__ = (code, name, level, thresholds or {}, tuple(map(frozenset, needs)))  # type: ignore[attr-defined]
        return check

    return mark


def nothing(graph: Graph) -> Iterator[Report]:
    """The check of what is no property of a program: that a file cannot be read, for one."""
    return iter(())


@cache
def _packs() -> tuple[str, ...]:
    """The packages that bring rules along."""
    if not any(map(_may_bring_rules, sys.path)):
        return ()
    # With all that it imports, it takes as long as to look up the results of hundreds of files.
    from importlib.metadata import entry_points

    return tuple(point.value for point in entry_points(group=GROUP))


def _may_bring_rules(entry: str) -> bool:
    """Whether a distribution in a folder of the import path names our group; unknown of an archive."""
    folder = Path(entry)
    if not folder.is_dir():
        return folder.exists()
    named = folder.glob("*-info/entry_points.txt")
    return any(GROUP in path.read_text(encoding="utf-8", errors="replace") for path in named)


def folders() -> list[Path]:
    """The folders of this tool's code: its own, its rules', and the packages of those who bring rules along.

    Raises:
        ImportError: a package is not there, or is in no folder.
    """
    packs = (pack.partition(".")[0] for pack in _packs())
    return [folder for name in dict.fromkeys(("tflint_nan", _OWN, *packs)) for folder in _folders(name)]


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is in no folder")
    return [Path(folder) for folder in spec.submodule_search_locations]


@dataclass(frozen=True, slots=True)
class Declared:
    """What a rule says of itself where it is declared."""

    code: str
    name: str
    level: Level
    thresholds: Mapping[str, float]


@cache
def declared() -> tuple[Declared, ...]:
    """What every installed rule declares, sorted by code.

    This tool's own declarations are read off their text: importing the rules takes longer than looking up the
    findings of hundreds of files.
    """
    if not _packs():
        with suppress(ImportError, OSError, LookupError, TypeError, ValueError):
            modules = [path for folder in _folders(_OWN) for path in folder.glob("*.py")]
            found = [of for path in modules for of in _declarations(path.read_text(encoding="utf-8"))]
            return tuple(sorted(found, key=lambda of: of.code))
    return tuple(Declared(rule.code, rule.name, rule.level, rule.thresholds) for rule in rules())


def _declarations(text: str) -> Iterator[Declared]:
    """The rules that a module declares.

    Raises:
        LookupError, TypeError, ValueError: code, name, level or thresholds are not written as literals.
    """
    for decorator in _DECORATOR.findall(text):
        call = ast.parse(f"{decorator}def check(): ...").body[0].decorator_list[0]  # type: ignore[attr-defined]
        given = dict(zip(("code", "name", "level", "thresholds"), call.args, strict=False))
        given.update((keyword.arg, keyword.value) for keyword in call.keywords)
        level = Level[given["level"].attr] if "level" in given else Level.DEFAULT
        thresholds = ast.literal_eval(given["thresholds"]) if "thresholds" in given else {}
        yield Declared(ast.literal_eval(given["code"]), ast.literal_eval(given["name"]), level, thresholds)


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule that is installed, sorted by code.

    Raises:
        ValueError: two rules share a code or a name.
    """
    found: list[Rule] = []
    for package_name in (_OWN, *_packs()):
        package = importlib.import_module(package_name)
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package_name}.{info.name}")
            for value in vars(module).values():
                mark = getattr(value, "__tflint_nan__", None)
                if mark is not None and value.__module__ == module.__name__:
                    code, name, level, thresholds, needs = mark
                    found.append(Rule(code, name, level, module.__doc__ or "", value, thresholds, needs))
    found.sort(key=lambda item: item.code)
    for key in ("code", "name"):
        seen: set[str] = set()
        for item in found:
            if getattr(item, key) in seen:
                raise ValueError(f"two rules have the {key} {getattr(item, key)!r}")
            seen.add(getattr(item, key))
    return tuple(found)
