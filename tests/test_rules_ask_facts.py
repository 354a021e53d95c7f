"""Rules find by what the graph and the operator table say; they do not compare the text of names.

A fix writes names, so functions that get a `Rewriter` may ask how they are written.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RULES = sorted((Path(__file__).parent.parent / "rules").glob("*.py"))
#: Attributes that hold the name of a library function or of a variable.
_NAMES = {"api"}


def compared(tree: ast.AST) -> list[int]:
    """Rows where the text of an API name, or what is made of it, is searched or compared with other text."""
    derived = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_name(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    fixes = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(a.annotation, ast.Name) and a.annotation.id == "Rewriter" for a in node.args.args)
        for inner in ast.walk(node)
    }
    rows = []
    for node in ast.walk(tree):
        if id(node) in fixes:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            searches = node.func.attr in ("startswith", "endswith", "find", "index", "count")
            if searches and _is_name(node.func.value, derived):
                rows.append(node.lineno)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            texts = any(isinstance(side, (ast.Constant, ast.JoinedStr)) for side in sides)
            contained = isinstance(node.ops[0], (ast.In, ast.NotIn)) and _is_name(sides[-1], derived)
            if contained or (texts and any(_is_name(side, derived) for side in sides)):
                rows.append(node.lineno)
    return rows


def _is_name(node: ast.AST, derived: set[str]) -> bool:
    """Whether an expression is an API name, or computed from one by methods of text."""
    if isinstance(node, ast.Attribute):
        return node.attr in _NAMES or _is_name(node.value, derived)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and _is_name(node.func.value, derived)
    if isinstance(node, ast.Subscript):
        return _is_name(node.value, derived)
    return isinstance(node, ast.Name) and node.id in derived


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_no_rule_compares_the_text_of_names(path: Path) -> None:
    rows = compared(ast.parse(path.read_text(encoding="utf-8")))
    assert not rows, f"{path.name}: rows {rows}"


@pytest.mark.parametrize(
    "text",
    [
        "op.api.endswith('x')",
        "op.api.rpartition('.')[2].startswith('x')",
        "name = op.api.lower()\nname.endswith('x')",
        "'x' in op.api",
        "made.api != 'tf.Variable'",
        "def check(graph: Graph):\n    op.api.startswith('x')",
    ],
)
def test_the_test_sees_comparisons(text: str) -> None:
    assert compared(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "r.api('tf.x')",
        "op.api in TABLE",
        "f'{op.api} is'",
        "TABLE.get(op.api)",
        "def fix(op: Op, r: Rewriter):\n    op.api.startswith('x')",
    ],
)
def test_the_test_lets_tables_be_asked(text: str) -> None:
    assert not compared(ast.parse(text))
