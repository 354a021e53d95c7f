"""The rules' pages and the list of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

from tflint_nan import HOME
from tflint_nan.faults import OWN
from tflint_nan.registry import Rule, rules


def pages() -> list[Rule]:
    """All rules, those of the engine included, sorted by code."""
    return sorted([*rules(), *OWN.values()], key=lambda rule: rule.code)


def url(code: str) -> str | None:
    """Where the page of a rule can be read; None for rules of other people's packs, and unknown ones."""
    own = (rule for rule in pages() if rule.code == code and rule.check.__module__.startswith("tflint_nan."))
    return next((f"{HOME}/blob/main/docs/rules/{rule.name}.md" for rule in own), None)


def page(rule: Rule, output_format: str) -> str:
    """One page: Markdown, or a JSON object."""
    if output_format == "json":
        return json.dumps(_as_dict(rule), indent=2) + "\n"
    numbers = "".join(f"* `{name}`: {number:g}\n" for name, number in rule.thresholds.items())
    thresholds = f"\n## Thresholds\n\n{numbers}" if numbers else ""
    return f"{text(rule)}\n{thresholds}"


def listing(listed: Sequence[Rule], output_format: str) -> str:
    """All pages: a line each, or a JSON list of objects."""
    if output_format == "json":
        return json.dumps([_as_dict(rule) for rule in listed], indent=2) + "\n"
    width = max(len(rule.name) for rule in listed)
    return "".join(
        f"{rule.code}  {rule.level.value:<6}  {rule.name:<{width}}  {rule.summary}\n" for rule in listed
    )


def text(rule: Rule) -> str:
    """A rule's page as it is written, in Markdown without a title."""
    return inspect.cleandoc(rule.page)


def _as_dict(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "level": rule.level.value,
        "summary": rule.summary,
        "thresholds": dict(rule.thresholds),
        "explanation": text(rule),
    }
