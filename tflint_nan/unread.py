"""The lines that a fix leaves out: assignments to variables that nothing reads any more."""

from __future__ import annotations

import re
from collections.abc import Set

import libcst as cst

from tflint_nan.draft import Draft
from tflint_nan.expression import only_assignment
from tflint_nan.places import children
from tflint_nan.source import Source

#: Functions that read variables by their names.
_READERS = frozenset({"locals", "vars", "eval", "exec", "globals"})


def unread(draft: Draft) -> set[cst.CSTNode]:
    """The assignments that are left out: nothing reads any more what they bind."""
    gone: set[cst.CSTNode] = set()
    for _ in draft.spare:
        more = {statement for statement in draft.spare if _is_spared(draft, statement, gone)}
        if more <= gone:
            break
        gone |= more
    return gone


def _is_spared(draft: Draft, statement: cst.SimpleStatementLine, gone: Set[cst.CSTNode]) -> bool:
    """Whether an assignment can be left out together with what is `gone`.

    An op with a name of its own can be asked for by that, and a function that reads its variables by
    their names may read any.
    """
    function, assign = draft.spare[statement], only_assignment(statement)
    if (
        assign is None
        or not isinstance(assign.targets[0].target, cst.Name)
        or draft.source.comments(statement)
    ):
        return False
    if sum(hoist.statement is statement for hoist in draft.hoists.values()) > 1:
        return False
    args = assign.value.args if isinstance(assign.value, cst.Call) else ()
    if any(arg.keyword is not None and arg.keyword.value == "name" for arg in args):
        return False
    if not _READERS.isdisjoint(draft.source.names_in(function)) or _is_tried(draft.source, statement):
        return False
    return not is_read(draft, assign.targets[0].target.value, function, {*gone, assign.targets[0].target})


def _is_tried(source: Source, statement: cst.CSTNode) -> bool:
    """Whether a statement stands where its errors may be caught."""
    current: cst.CSTNode | None = statement
    while current is not None and not isinstance(current, (cst.Try, cst.TryStar)):
        current = source.parent(current)
    return current is not None


def is_read(draft: Draft, name: str, around: cst.CSTNode, gone: Set[cst.CSTNode] = frozenset()) -> bool:
    """Whether a variable is read, or bound, in what the fix leaves of `around` without what is `gone`."""
    word = re.compile(rf"\b{name}\b")
    texts = [replacement.text for replacement in draft.replacements]
    texts += [hoist.text for hoist in draft.hoists.values()]
    if any(word.search(text) for text in [*texts, *(edit.content for edit in draft.edits)]):
        return True
    replaced = {id(replacement.node) for replacement in draft.replacements}
    todo = [around]
    while todo:
        node = todo.pop()
        if id(node) in replaced or node in gone:
            continue
        if isinstance(node, cst.Name):
            parent = draft.source.parent(node)
            apart = isinstance(parent, cst.Attribute) and parent.attr is node
            keyword = isinstance(parent, cst.Arg) and parent.keyword is node
            if node.value == name and not apart and not keyword:
                return True
        todo.extend(children(node))
    return False
