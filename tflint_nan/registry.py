"""Finds rules by name: every module of `tflint_nan.rules` and of the packs that others install."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from tflint_nan.finding import Level

if TYPE_CHECKING:
    from tflint_nan.graph import Graph, Report

Check = Callable[["Graph"], "Iterator[Report]"]
#: Packages of other people's rules register themselves under this entry-point group.
GROUP = "tflint_nan.rules"


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
def rules() -> tuple[Rule, ...]:
    """Every rule that is installed, sorted by code.

    Raises:
        ValueError: two rules share a code or a name.
    """
    packages = ["tflint_nan.rules", *(point.value for point in entry_points(group=GROUP))]
    found: list[Rule] = []
    for package_name in packages:
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
