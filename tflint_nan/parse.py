"""Text to LibCST tree, within bounds: LibCST's parser overflows its stack on what is nested too deeply."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import libcst as cst

from tflint_nan.finding import Position

#: Deepest nesting that is read: a chain of 1000 `elif` or `+`. CPython's own tokenizer stops at 200
#: brackets; the deepest of 1500 files of TensorFlow's dependencies reaches 42. Before Python 3.11 every
#: Python call takes C stack, which is bounded.
MAX_NESTING = 1000 if sys.version_info >= (3, 11) else 200

#: A stretch of code in which nothing can be nested deeper than `MAX_NESTING` needs no closer look.
_HARMLESS = 150
_BRACKET = re.compile(r"[()\[\]{}\n]")
_NESTING = re.compile(r"[-+*/%~.&|^@<>=([{,]|\b(?:and|or|not|if|for|lambda|await)\b")
_LONE_BACKSLASH = re.compile(r"^[ \t\f]*\\$", re.MULTILINE)

_Node = TypeVar("_Node")

#: Python frames that LibCST's providers need for one level of nesting.
_FRAMES_A_LEVEL = 20
#: Frames for what is long, and nested only in LibCST's tree: a thousand adjacent strings.
_FRAMES = 12_000


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Room for LibCST to walk a tree that is nested as deeply as a source may be."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, MAX_NESTING * _FRAMES_A_LEVEL, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class SyntaxFault(Exception):
    """The text is not Python, or not within the bounds: `reason`, at `position`."""

    def __init__(self, reason: str, position: Position) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def parse(text: str) -> cst.Module:
    """The tree of a text whose lines end in `\\n`.

    Raises:
        SyntaxFault: it is not Python, or nested deeper than `MAX_NESTING`.
    """
    if _may_be_deep(text):
        _check_nesting(python_tree(text))
    try:
        tree = _guarded(cst.parse_module, text)
    except cst.ParserSyntaxError as error:
        raise _explained(text, error) from error
    if _LONE_BACKSLASH.search(text) and tree.code != text:
        # LibCST drops a continuation that continues nothing, and every row below would be counted wrongly.
        raise SyntaxFault("a line holds nothing but a backslash", Position(1, 1))
    return tree


def parse_expression(text: str) -> cst.BaseExpression | None:
    """The expression that `text` is, None where it is none or is nested too deeply."""
    try:
        if len(text) > _HARMLESS and _may_be_deep(text):
            _check_nesting(python_tree(text))
        return _guarded(cst.parse_expression, text)
    except (cst.ParserSyntaxError, SyntaxFault):
        return None


def is_statement(text: str) -> bool:
    """Whether `text` is one simple statement, such as an assignment."""
    try:
        body = parse(text).body
    except SyntaxFault:
        return False
    return len(body) == 1 and isinstance(body[0], cst.SimpleStatementLine)


def _guarded(parser: Callable[[str], _Node], text: str) -> _Node:
    try:
        return parser(text)
    except (RecursionError, UnicodeError, cst.CSTValidationError) as error:
        raise SyntaxFault(f"the parser gave up: {error}", Position(1, 1)) from error
    except BaseException as error:
        # What the parser's Rust part panics with is no Exception and has no importable name.
        if type(error).__name__ != "PanicException":
            raise
        raise SyntaxFault("the parser failed", Position(1, 1)) from error


def _explained(text: str, error: cst.ParserSyntaxError) -> SyntaxFault:
    """CPython says better what is wrong and where, unless its own grammar is older than the text."""
    try:
        python_tree(text)
    except SyntaxFault as fault:
        return fault
    return SyntaxFault("invalid syntax", Position(max(error.raw_line, 1), error.raw_column + 1))


def _may_be_deep(text: str) -> bool:
    """Whether nesting beyond the bound is possible, by a count that is never too low."""
    if text.count("elif") > _HARMLESS:
        return True
    depth = start = 0
    for match in _BRACKET.finditer(text):
        bracket = match[0]
        if bracket == "\n":
            if depth == 0 and text[match.start() - 1 : match.start()] != "\\":
                if match.start() - start > _HARMLESS and _is_dense(text, start, match.start()):
                    return True
                start = match.end()
        elif bracket in "([{":
            depth += 1
        elif depth > 0:
            depth -= 1
    return _is_dense(text, start, len(text))


def _is_dense(text: str, start: int, end: int) -> bool:
    return len(_NESTING.findall(text, start, end)) > _HARMLESS


def python_tree(text: str) -> ast.Module:
    """What Python's own parser makes of a text.

    Raises:
        SyntaxFault: it is not Python for the running interpreter, or nested too deeply for it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        row, column = error.lineno or 1, error.offset or 1
        raise SyntaxFault(error.msg, Position(row, max(column, 1))) from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise SyntaxFault("nested too deeply", Position(1, 1)) from error


def statements(text: str) -> list[ast.stmt]:
    """What Python's own parser makes of a text.

    Raises:
        SyntaxFault: it is not Python for the running interpreter, or nested deeper than `MAX_NESTING`.
    """
    tree = python_tree(text)
    if _may_be_deep(text):
        _check_nesting(tree)
    return tree.body


def _check_nesting(tree: ast.Module) -> None:
    """Raise where an expression or statement is nested deeper than `MAX_NESTING`.

    `ast` measures what LibCST nests: both grow by one for an operator, call, attribute or `elif`; chains of
    `and`, and of `for` in a comprehension, are flat there and count by their length.
    """
    todo: list[tuple[ast.AST, int, int]] = [(tree, 1, 0)]
    while todo:
        node, row, depth = todo.pop()
        row = getattr(node, "lineno", row)
        if isinstance(node, ast.BoolOp):
            depth += len(node.values)
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            depth += len(node.generators)
        if depth > MAX_NESTING:
            raise SyntaxFault(f"nested more than {MAX_NESTING} deep", Position(row, 1))
        todo.extend((child, row, depth + 1) for child in ast.iter_child_nodes(node))
