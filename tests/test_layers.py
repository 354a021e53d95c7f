"""The rooms of `docs/architecture.md`: a room imports only from rooms above it in the table there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "tflint_nan"


def rooms() -> list[set[str]]:
    """The table's rooms from top to bottom; those of one row stand side by side."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.search(r"^\| room \|.*?\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    assert rows, "docs/architecture.md has no table of rooms"
    found = []
    for row in rows[1].splitlines()[1:]:
        names = re.findall(r"`([^`]+)`", row.split("|")[1])
        found.append({name.removesuffix("/").removesuffix(".py") for name in names})
    return found


def modules() -> dict[str, Path]:
    """Dotted name -> file, of all of the package, the rules at the place where they are imported from."""
    found = {}
    for folder, name in ((ROOT / PACKAGE, PACKAGE), (ROOT / "rules", f"{PACKAGE}.rules")):
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((name, *parts)).removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Row and dotted name of each import that runs (not those for type checkers)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    quiet = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in quiet:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: imports are absolute here"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(dotted: str) -> str:
    """The room of a dotted name in the package; the package's own name for what stands in none."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


MODULES = modules()
LEVEL = {name: level for level, names in enumerate(rooms()) for name in names}


def test_every_module_has_a_room() -> None:
    without = {room_of(name) for name in MODULES} - LEVEL.keys() - {PACKAGE, "__main__"}
    assert not without, f"not in the table of docs/architecture.md: {sorted(without)}"


def test_every_room_exists() -> None:
    missing = LEVEL.keys() - {room_of(name) for name in MODULES}
    assert not missing, f"in the table of docs/architecture.md, but nowhere else: {sorted(missing)}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_one_way(name: str) -> None:
    here = room_of(name)
    wrong = []
    for row, target in imported(MODULES[name]):
        if target.split(".")[0] != PACKAGE:
            continue
        there = room_of(target)
        if there in LEVEL and here in LEVEL and there != here and LEVEL[there] >= LEVEL[here]:
            wrong.append(f"row {row}: {here} imports {there}, which stands below it")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_tensorflow_at_lint_time(name: str) -> None:
    heavy = {"tensorflow", "keras", "numpy", "jax", "torch"}
    found = [
        f"row {row}: {target}" for row, target in imported(MODULES[name]) if target.split(".")[0] in heavy
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if room_of(name) != "rules"))
def test_rules_are_loaded_by_name_only(name: str) -> None:
    assert not [target for _, target in imported(MODULES[name]) if room_of(target) == "rules"]
