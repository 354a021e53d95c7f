"""New expressions out of parts: parsed with LibCST, and in parentheses only where their place needs them."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import libcst as cst

from tflint_nan.parse import is_statement, parse_expression
from tflint_nan.places import LAYOUT, children

#: A piece of a text, and whether it is an expression that must stay one.
Piece = tuple[str, bool]


def fill(template: str, parts: Mapping[str, str]) -> str:
    """`template` with its `{names}` replaced.

    A part that is an expression stays one: it is put in parentheses where the template binds tighter. Any
    other part (`, axis=1`; `labels, logits`) is put in as it stands.

    Raises:
        ValueError: the result is neither an expression nor a statement, or a part is missing.
    """
    pieces: list[Piece] = []
    for literal, name, _, _ in string.Formatter().parse(template):
        pieces.append((literal, False))
        if name is None:
            continue
        if name not in parts:
            raise ValueError(f"template {template!r} names {name!r}, which is not given")
        pieces.append((parts[name], True))
    filled = assemble(pieces)
    if filled is None:
        text = "".join(piece for piece, _ in pieces)
        raise ValueError(f"template {template!r} makes no expression: {text!r}")
    return filled


def assemble(pieces: Sequence[Piece]) -> str | None:
    """The pieces joined, with the fewest parentheses that keep each expression whole.

    None where the result is neither an expression nor a simple statement.
    """
    options = [_options(text) if whole else [text] for text, whole in pieces]
    safest = [choices[-1] for choices in options]
    wanted = _meaning_of("".join(safest))
    if wanted is None:
        return None
    for index, choices in enumerate(options):
        for choice in choices[:-1]:
            trial = [*safest[:index], choice, *safest[index + 1 :]]
            if _meaning_of("".join(trial)) == wanted:
                safest = trial
                break
    return "".join(safest)


def _options(text: str) -> list[str]:
    """Ways to write an expression into another: bare, where it can stand alone, and in parentheses."""
    expression = parse_expression(text)
    if expression is None:
        if not text.strip():
            return [text]
        wrapped = f"({text})"
        # Over several lines it needs parentheses, its own or those of a call around it.
        return [text, wrapped] if parse_expression(wrapped) is not None else [text]
    if not expression.lpar:
        # Without parentheses of its own a tuple is a list of arguments.
        return [text] if isinstance(expression, cst.Tuple) else [text, f"({text})"]
    inner = cst.Module([]).code_for_node(expression.with_changes(lpar=(), rpar=()))
    return [inner, text] if parse_expression(inner) is not None else [text]


def _meaning_of(text: str) -> object:
    """What a text says, whatever its layout; None where it is neither expression nor statement."""
    expression = parse_expression(text)
    if expression is not None:
        return meaning(expression)
    if is_statement(text):
        return meaning(cst.parse_statement(text))
    return None


def meaning(node: cst.CSTNode) -> tuple[object, ...]:
    """A node's type and content without white space, comments and parentheses; equal where these are."""
    found: list[object] = [type(node).__name__]
    for field in fields(node):
        if LAYOUT.search(field.name):
            continue
        value = getattr(node, field.name)
        if isinstance(value, cst.CSTNode):
            found.append(meaning(value))
        elif isinstance(value, (list, tuple)):
            found.append(tuple(meaning(item) for item in value))
        elif isinstance(value, str) or value is None:
            found.append(value)
    return tuple(found)


def names_in(node: cst.CSTNode) -> Iterator[str]:
    """The variables that an expression reads or binds; not attributes, not keywords of calls."""
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, cst.Name):
            yield current.value
        elif isinstance(current, (cst.Attribute, cst.Arg)):
            todo.append(current.value)
        else:
            todo.extend(reversed(children(current)))


def comments_in(node: cst.CSTNode | cst.MaybeSentinel) -> list[str]:
    """The comments inside a node that LibCST has read, in order."""
    found: list[str] = []
    todo = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, cst.MaybeSentinel):
            continue
        if isinstance(current, cst.Comment):
            found.append(current.value)
        todo.extend(reversed(current.children))
    return found


def only_assignment(statement: cst.CSTNode | None) -> cst.Assign | None:
    """The assignment to one target that a statement is."""
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        only = statement.body[0]
        if isinstance(only, cst.Assign) and len(only.targets) == 1:
            return only
    return None
