"""Where a new import goes, and which imports nothing uses any more."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import libcst as cst

from tflint_nan.expression import names_in
from tflint_nan.finding import Edit, Position, Span
from tflint_nan.places import children, within
from tflint_nan.source import Source

#: Libraries whose names fixes write.
_NUMERIC = ("tensorflow", "keras", "numpy")
#: Modules that only define names. The project's own may do something when they are imported.
_QUIET = frozenset({*_NUMERIC, "scipy", "tensorflow_probability", "tf_keras", *sys.stdlib_module_names})
_WORD = re.compile(r"\w+")
#: A string that may be a name or a type.
_QUOTED = re.compile(r"""\w*["'][\w.,|\[\]\s]*["']$""")
_TYPE_COMMENT = re.compile(r"#\s*type:(.*)")
Statement = cst.SimpleStatementLine


def insertion(source: Source, line: str) -> Edit:
    """The edit that adds an import statement at the top level.

    It goes to the first imports of TensorFlow or Keras, in order where these are sorted; without one to those
    of NumPy, to the first of any library, behind those of Python's own modules, or to the beginning, behind
    the docstring, `__future__` and the licence.
    """
    groups = list(_groups(source))
    for roots in (_NUMERIC[:2], _NUMERIC, None):
        for group in groups:
            if any(_is_of(statement, roots) for statement in group):
                return _into(source, group, line)
    if groups:
        return _behind(source, groups[-1][-1], f"\n{line}")
    return _at_top(source, line)


def unused(before: Source, after: Source) -> list[Edit]:
    """Edits of `after` that take out what its top level imports, `before` used and nothing uses now.

    What is imported with a comment beside it stays, and so does all that a package's `__init__` imports. The
    project's own modules are left alone: importing them may do something.
    """
    if after.filename.replace("\\", "/").endswith("__init__.py"):
        return []
    gone = _used(before) - _used(after)
    edits: list[Edit] = []
    for group in _groups(after) if gone else ():
        for statement in group:
            part = statement.body[0]
            names = _aliases(part)
            left = [alias for alias in names if _bound(alias) not in gone or not _is_quiet(part, alias)]
            if len(left) == len(names) or after.comments(statement):
                continue
            if left:
                edits += _without(after, names, left)
            else:
                edits.append(_line_of(after, statement, alone=len(group) == 1))
    return edits


def _groups(source: Source) -> Iterator[list[Statement]]:
    """The imports at the top level, each group without an empty line or another statement in it."""
    group: list[Statement] = []
    cell: int | None = None
    for statement in source.tree.body:
        if not _is_import(statement) or not isinstance(statement, Statement):
            if group:
                yield group
            group = []
            continue
        here, _ = source.locate(source.span(statement))
        apart = group and any(not line.strip() for line in _between(source, group[-1], statement))
        if apart or (group and here != cell):
            yield group
            group = []
        cell = here
        group.append(statement)
    if group:
        yield group


def _between(source: Source, first: cst.CSTNode, second: cst.CSTNode) -> list[str]:
    """The lines between two statements."""
    rows = range(source.span(first).end.row + 1, source.span(second).start.row)
    return [source.line(row) for row in rows]


def _is_import(statement: cst.CSTNode) -> bool:
    """Whether a line is one import, and not one from `__future__`."""
    return (
        isinstance(statement, Statement)
        and len(statement.body) == 1
        and isinstance(statement.body[0], (cst.Import, cst.ImportFrom))
        and _module(statement.body[0]) != "__future__"
    )


def _module(part: cst.CSTNode) -> str:
    """`a.b` of `import a.b, c` and of `from a.b import c`; a relative one begins with its dots."""
    if isinstance(part, cst.Import):
        return _dotted(part.names[0].name)
    assert isinstance(part, cst.ImportFrom)
    return "." * len(part.relative) + ("" if part.module is None else _dotted(part.module))


def _dotted(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    assert isinstance(node, cst.Name)
    return node.value


def _is_of(statement: Statement, roots: Sequence[str] | None) -> bool:
    """Whether it imports from one of the libraries, from any but Python's own where none is named."""
    root = _module(statement.body[0]).split(".")[0]
    return root in roots if roots else bool(root) and root not in sys.stdlib_module_names


def _into(source: Source, group: Sequence[Statement], line: str) -> Edit:
    """A new line of a group: at its place where the group is in order, else before the first of its kind."""
    new = cst.parse_statement(line)
    assert isinstance(new, Statement)
    for order in (_by_form, _by_module):
        keys = [order(statement) for statement in group]
        if all(a <= b for a, b in pairwise(keys)):
            index = bisect_right(keys, order(new))
            return _behind(source, group[index - 1], line) if index else _before(source, group[0], line)
    return _before(source, next((one for one in group if _is_of(one, _NUMERIC)), group[0]), line)


def _by_form(statement: Statement) -> tuple[bool, str]:
    """The order of isort: `import a` before `from a import b`, each by the module."""
    return isinstance(statement.body[0], cst.ImportFrom), _module(statement.body[0]).lower()


def _by_module(statement: Statement) -> tuple[bool, str]:
    """The order of isort with `force_sort_within_sections`."""
    return False, _module(statement.body[0]).lower()


def _before(source: Source, statement: cst.CSTNode, line: str) -> Edit:
    place = source.span(statement).start
    return Edit(Span(place, place), f"{line}\n")


def _behind(source: Source, statement: cst.CSTNode, line: str) -> Edit:
    row = source.span(statement).end.row
    place = Position(row, len(source.line(row)) + 1)
    return Edit(Span(place, place), f"\n{line}")


def _at_top(source: Source, line: str) -> Edit:
    """Before the first statement and the comments that belong to it."""
    body = list(source.tree.body)
    index = next(index for index, statement in enumerate(body) if not _is_preamble(statement))
    first = (getattr(body[index], "decorators", None) or [body[index]])[0]
    row = source.span(first).start.row
    above = row
    while above > 1 and source.line(above - 1).startswith("#"):
        above -= 1
    # The first lines of a file are about the file.
    place = Position(row if above == 1 else above, 1)
    return Edit(Span(place, place), f"{line}\n\n")


def _is_preamble(statement: cst.CSTNode) -> bool:
    """Whether it is a docstring, or an import from `__future__`."""
    if not isinstance(statement, Statement):
        return False
    part = statement.body[0]
    if isinstance(part, cst.ImportFrom):
        return _module(part) == "__future__"
    return isinstance(part, cst.Expr) and isinstance(part.value, (cst.SimpleString, cst.ConcatenatedString))


# What is not used.


def _used(source: Source) -> set[str]:
    """The names that a file reads or binds outside of imports, those in `__all__` and in quoted types too."""
    used: set[str] = set()
    todo: list[cst.CSTNode] = [source.tree]
    while todo:
        node = todo.pop()
        if isinstance(node, (cst.Import, cst.ImportFrom)):
            continue
        if isinstance(node, cst.BaseExpression):
            used.update(names_in(node))
            strings = (part.value for part in within(node) if isinstance(part, cst.SimpleString))
            used.update(word for text in strings if _QUOTED.match(text) for word in _WORD.findall(text))
        else:
            todo.extend(children(node))
    for text in (*_TYPE_COMMENT.findall(source.text), *source.masked_lines):
        used.update(_WORD.findall(text))
    return used


def _aliases(part: cst.CSTNode) -> Sequence[cst.ImportAlias]:
    assert isinstance(part, (cst.Import, cst.ImportFrom))
    return () if isinstance(part.names, cst.ImportStar) else part.names


def _bound(alias: cst.ImportAlias) -> str:
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return _dotted(alias.name).split(".")[0]


def _is_quiet(part: cst.CSTNode, alias: cst.ImportAlias) -> bool:
    module = _dotted(alias.name) if isinstance(part, cst.Import) else _module(part)
    return module.split(".")[0] in _QUIET


def _without(
    source: Source, names: Sequence[cst.ImportAlias], left: Sequence[cst.ImportAlias]
) -> Iterator[Edit]:
    """Each name that is not left goes with the comma behind it, at the end with the one before."""
    last = max(index for index, alias in enumerate(names) if alias in left)
    for index, alias in enumerate(names[: last + 1]):
        if alias not in left:
            yield Edit(Span(source.span(alias).start, source.span(names[index + 1]).start), "")
    if last + 1 < len(names):
        yield Edit(Span(source.span(names[last]).end, source.span(names[-1]).end), "")


def _line_of(source: Source, statement: Statement, *, alone: bool) -> Edit:
    """The edit that takes out a line; of two empty lines that meet, one goes too."""
    span = source.span(statement)
    end = span.end.row + 1
    there = source.offset(Position(end, 1)) < len(source.text)
    if alone and there and not source.line(end).strip():
        end += 1
    return Edit(Span(Position(span.start.row, 1), Position(end, 1)), "")
