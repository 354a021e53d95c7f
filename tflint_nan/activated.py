"""An activation where it is computed: its call, the text without it, where else that text means the same."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable
from dataclasses import dataclass

import libcst as cst

from tflint_nan.callers import ancestors, holds, is_bound, occurrences
from tflint_nan.expression import assemble
from tflint_nan.rewrite import Rewriter
from tflint_nan.source import Source
from tflint_nan.value import Op, Scope


@dataclass(frozen=True, slots=True)
class Activated:
    """An expression whose value is an activation's output.

    Attributes:
        op: stands where the expression does, see `node`, `statement` and `scope`.
        logits: the text of the expression without the activation.
        around: the text of the activation, before and after its operand.
        index: which element of the tuple that the expression gives, None where it is no tuple.
    """

    op: Op
    logits: str
    around: tuple[str, str]
    index: int | None = None

    @property
    def node(self) -> cst.BaseExpression:
        """The expression: a call of the activation itself, or of a function that returns its output."""
        assert isinstance(self.op.node, cst.BaseExpression)
        return self.op.node

    @property
    def statement(self) -> cst.CSTNode | None:
        """The statement that the expression stands in."""
        return self.op.statement

    @property
    def scope(self) -> Scope:
        """The variables of the function (or module) that the expression stands in."""
        return self.op.scope

    def applied(self, text: str) -> str | None:
        """The activation of `text`."""
        return assemble([(self.around[0], False), (text, True), (self.around[1], False)])


def activated(r: Rewriter, squashed: Op) -> Activated | None:
    """The call that computes an activation: a library's function, or a layer that is called as one."""
    node, source = squashed.node, squashed.source
    if not isinstance(node, cst.Call) or not source.holds(node):
        return None
    operand = squashed.nodes.get("x")
    if operand is not None and "activation" not in squashed.nodes and holds(node, operand):
        pieces = r.pieces(node, operand)
        return Activated(squashed, r.text(operand), pieces)
    option = squashed.nodes.get("activation")
    function = r.api(f"tf.nn.{squashed.name}") if option is not None else None
    if function is None or option is None or "layer" in squashed.args or not holds(node, option):
        return None
    text = "None".join(r.pieces(node, option))
    return Activated(squashed, text, (f"{function}(", ")"))


def stays(found: Activated, sources: Iterable[Source]) -> bool:
    """Whether the text of the activation means the same in these files: every name in it is an import."""
    files = set(sources)
    head, tail = found.around
    written = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*\b(?!\s*=[^=])", f"{head}{tail}"))
    for name in written - {"None", "True", "False"}:
        meanings = {_imported_as(source, name, len(files) > 1) for source in files}
        if None in meanings or len(meanings) > 1:
            return False
    return _named_scopes(found.op.source, found)


def _imported_as(source: Source, name: str, everywhere: bool) -> frozenset[str] | None:
    """The modules and members that a name of a file is imported as; None where it is anything else.

    With `everywhere`, no function imports it for itself.
    """
    found: set[str] = set()
    for node in occurrences(source).get(name, ()):
        parent = source.parent(node)
        alias = source.parent(parent) if isinstance(parent, cst.AsName) else parent
        if isinstance(alias, cst.ImportAlias):
            statement = source.parent(alias)
            if everywhere and any(isinstance(around, cst.FunctionDef) for around in ancestors(source, alias)):
                return None
            base = ""
            if isinstance(statement, cst.ImportFrom):
                here = os.path.dirname(source.filename) if statement.relative else ""
                base = f"{here}{'.' * len(statement.relative)}"
                base += "" if statement.module is None else f"{source.code(statement.module)}."
            found.add(base + source.code(alias.name))
        elif isinstance(parent, (cst.Attribute, cst.ImportFrom)):
            continue
        elif is_bound(source, node) or isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
            return None
    return frozenset(found) or None


def _named_scopes(source: Source, found: Activated) -> bool:
    """False where the activation has a name of its own within a name scope, which moving it would change."""
    if not re.search(r"\bname\s*=", "".join(found.around)):
        return True
    return not any(isinstance(node, cst.With) for node in ancestors(source, found.node))
