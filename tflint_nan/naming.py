"""The names that a fix gives: a rewriter without edits of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

import libcst as cst

from tflint_nan.build import Project, builtins
from tflint_nan.draft import Draft, Hoist, Kept, Plan
from tflint_nan.expression import names_in
from tflint_nan.graph import Graph
from tflint_nan.places import children, within
from tflint_nan.source import Source
from tflint_nan.spelling import Spelling
from tflint_nan.value import Const, Items, Op, Scope, Symbol, Value

if TYPE_CHECKING:
    from tflint_nan.rewrite import Rewriter

#: Longest expression that is written a second time rather than given a name, in characters.
_SHORT: Final = 40
#: Parts of an expression that are not evaluated exactly once where they stand.
DEFERRED = (cst.Lambda, cst.GeneratorExp, cst.ListComp, cst.SetComp, cst.DictComp)
_SIMPLE = (cst.Name, cst.Attribute, cst.Subscript, cst.BaseNumber, cst.SimpleString, cst.Tuple, cst.List)
#: Operators that move numbers about, and nothing else.
_MOVING = (
    "one_hot",
    "cast",
    "reshape",
    "range",
    "constant",
    "stack",
    "concat",
    "expand_dims",
    "squeeze",
    "gather",
)


class Naming:
    """Gives names to the values that a fix needs, where its op stands."""

    def __init__(self, graph: Graph, op: Op, project: Project | None = None) -> None:
        """Args:

        graph: the program.
        op: where names are read; the fix is one of its file.
        project: where other files are found, which the fix may change as well; none where it may not.
        """
        self.graph = graph
        self.project = project
        self._op = op
        self._source = op.source
        self._spelling = Spelling(graph, op)
        self._plan = Plan()
        #: Why there is no fix, the first reason first.
        self._obstacles: list[str] = []

    @property
    def source(self) -> Source:
        """The file that the fix is one of."""
        return self._source

    @property
    def _draft(self) -> Draft:
        return self._plan.draft(self._op)

    @property
    def obstacle(self) -> str | None:
        """Why this place cannot be rewritten as asked, None where nothing stood in the way so far."""
        return self._obstacles[0] if self._obstacles else None

    def decline(self, why: str) -> None:
        """Note why a rule makes no fix here."""
        self._obstacles.insert(0, why)

    def _refuse(self, why: str) -> None:
        """There will be no fix."""
        self._obstacles.append(why)
        self._plan.failed = True

    # Names.

    def api(self, *names: str) -> str | None:
        """How the file writes the first of these normalised names that its libraries have.

        Where nothing is imported that serves, an import is added. None where none of the names can be had.
        """
        found = self._spelling.api(*names)
        if found is None:
            self._obstacles.append("the libraries of the file have no function for it")
            return None
        spelled, line = found
        if line is not None:
            self._draft.imports.setdefault(line, []).append(spelled)
        return spelled

    def spell(self, value: Value, name: str = "value") -> str | None:
        """Text that denotes `value` where the op stands.

        In this order: a name or attribute that holds it; a literal; the expression that made it, where that
        is short, has no calls, and means the same at the op; a new name (`name`, numbered where that is
        taken), for which the expression is moved to a statement of its own. An expression that stands inside
        what the fix replaces is moved as it is. None where the value comes from another file or function.
        """
        known = self._spelling.name_of(value)
        if known is not None:
            return known
        if isinstance(value, Symbol):
            return self.api(value.name)
        if isinstance(value, Const):
            return self._literal(value)
        if id(value) in self._draft.hoists:
            return self._draft.hoists[id(value)].name
        given = self._plan.names.get((id(value), id(self._op.scope)))
        if given is not None:
            return given
        places = list(self._expressions(value))
        for node, site in places:
            if _is_simple(node) and self._means_the_same(node, site):
                return self.text(node)
        for node, site in places:
            statement = self._hoistable(node, site)
            if statement is not None:
                return self._named(value, Hoist(name, node, statement, self.text(node), site.scope))
        for node, site in places:
            if _is_pure(node) and len(self.text(node)) <= _SHORT and self._means_the_same(node, site):
                return self.text(node)
        if isinstance(value, Items):
            return self._items(value)
        for node, site in places:
            if site.statement is self._op.statement:
                return self._named(value, Hoist(name, node, None, self.text(node), site.scope))
        self._obstacles.append(self._unnamed(value))
        return None

    def _unnamed(self, value: Value) -> str:
        """Why `value` cannot be spelled."""
        made = value.op
        if made is None:
            return "a value that it needs is not computed in the program"
        if made.source is not self._source:
            return "a value that it needs is made in another file"
        if made.scope not in self._spelling.scopes():
            return "a value that it needs is made in another function"
        return "a value that it needs has no name here"

    @property
    def lifted(self) -> dict[cst.FunctionDef, int]:
        """Functions that the fix has return something else -> which element of it, -1 for all."""
        return self._plan.lifted

    @property
    def is_uncertain(self) -> bool:
        """Whether what the fix changes may have callers that nobody sees."""
        return self._plan.uncertain

    @is_uncertain.setter
    def is_uncertain(self, uncertain: bool) -> None:
        self._plan.uncertain = uncertain

    @property
    def pending(self) -> dict[cst.Call, Callable[[Rewriter], bool]]:
        """Calls of these functions -> what `fix` does with those that are left."""
        return self._plan.pending

    def given_name(self, value: Value, scope: Scope) -> str | None:
        """The name that the fix itself makes hold `value` in `scope`."""
        return self._plan.names.get((id(value), id(scope)))

    def given_names(self) -> Iterable[str]:
        """All names that the fix makes hold something."""
        return self._plan.names.values()

    def free_name(self, wanted: str, near: cst.CSTNode | None = None) -> str:
        """`wanted`, numbered where the function around the op (or `near`), or the fix itself, uses it."""
        if near is not None:
            around: cst.CSTNode | None = near
            while around is not None and not isinstance(around, (cst.FunctionDef, cst.Module)):
                around = self._source.parent(around)
            used = self._source.names_in(around or self._source.tree)
            return next(name for name in numbered(wanted) if name not in used)
        return self._free_name(wanted, self._spelling, self._op.scope)

    def _free_name(self, wanted: str, spelling: Spelling, here: Scope) -> str:
        taken = {hoist.name for hoist in self._draft.hoists.values() if hoist.scope is here}
        taken |= {name for (_, scope), name in self._plan.names.items() if scope == id(here)}
        return spelling.free_name(wanted, taken)

    def known_name(self, value: Value) -> str | None:
        """A name or attribute that holds `value` where the op stands."""
        return self.given_name(value, self._op.scope) or self._spelling.name_of(value)

    def holder(self, attribute: str, value: Value) -> str | None:
        """The name of an object that holds `value` in an attribute, where the op stands."""
        return self._spelling.holder(attribute, value)

    def attributes_of(self, value: Value) -> Iterator[tuple[str, str]]:
        """The attributes that hold `value` where the op stands, each with a name of their object."""
        return self._spelling.attributes_of(value)

    def is_before(self, statement: cst.CSTNode | None) -> bool:
        """Whether the op is only reached through `statement`."""
        return self._spelling.surely_before(statement)

    def give_name(self, value: Value, scope: Scope, name: str) -> None:
        """Take note that the fix itself makes `name` hold `value` in `scope`."""
        self._plan.names[id(value), id(scope)] = name

    def name_part(self, node: cst.BaseExpression, site: Op, text: str, around: tuple[str, str]) -> str | None:
        """A name for `text`, of which `node` is made: `around` is what comes before and after it there.

        Where the text is a variable that is bound once, that is the name. None where the statement of `site`,
        in which `node` stands, is not one before which it can be computed just as well.
        """
        if text.isidentifier() and self._is_steady(text, site.scope):
            self.spare(site.statement, site.scope)
            return text
        statement = self._hoistable(node, site)
        inside = node if site.statement is self._op.statement else None
        if statement is None and inside is None:
            return None
        hoist = Hoist(
            self._free_name("logits", Spelling(self.graph, site), site.scope),
            node,
            statement,
            text,
            site.scope,
            around,
        )
        self._draft.hoists[id(node)] = hoist
        self.spare(site.statement, site.scope)
        return hoist.name

    def _is_steady(self, name: str, scope: Scope) -> bool:
        """Whether `name` is one variable with one value in its function."""
        return (
            isinstance(scope.node, cst.FunctionDef)
            and sum(binding.name == name for binding in scope.history) == 1
        )

    def spare(self, statement: cst.CSTNode | None, scope: Scope) -> None:
        """Leave an assignment to a variable of a function out, where the fix leaves nobody to read it."""
        function = scope.node
        if isinstance(function, cst.FunctionDef) and isinstance(statement, cst.SimpleStatementLine):
            self._draft.spare[statement] = function

    def keep_name(self, name: str, line: str, around: cst.CSTNode, statement: cst.CSTNode | None) -> None:
        """Have `line` bind a name that the fix took from another value, see `Kept`."""
        self._draft.kept.append(Kept(name, line, around, statement))

    def _named(self, value: Value, hoist: Hoist) -> str:
        hoist = replace(hoist, name=self.free_name(hoist.name))
        self._draft.hoists[id(value)] = hoist
        return hoist.name

    def _literal(self, value: Const) -> str | None:
        for node, site in self._expressions(value):
            if any(True for _ in names_in(node)):
                # It was computed; the literal would hold for this caller only.
                return self.text(node) if _is_pure(node) and self._means_the_same(node, site) else None
        literal = value.value
        if isinstance(literal, float) and not math.isfinite(literal):
            return f'float("{literal}")'
        if literal is None:
            self._obstacles.append("a value that it needs is None here")
        simple = isinstance(literal, (bool, int, float, str, bytes))
        return repr(literal) if simple else None

    def _items(self, value: Items) -> str | None:
        parts = [self.spell(item) for item in value.items]
        if not value.complete or value.kind not in ("tuple", "list") or None in parts:
            return None
        text = ", ".join(part for part in parts if part is not None)
        if value.kind == "list":
            return f"[{text}]"
        return f"({text},)" if len(parts) == 1 else f"({text})"

    def _expressions(self, value: Value) -> Iterator[tuple[cst.BaseExpression, Op]]:
        """Expressions of this file whose value it is, each with an op that stands with it."""
        if isinstance(value, Const) and (value.value is None or isinstance(value.value, bool)):
            return  # there is one of each for all
        for node, op in self._spelling.expressions(value):
            if op.source is self._source:
                yield node, op

    def _means_the_same(self, node: cst.BaseExpression, site: Op) -> bool:
        """Whether every name in `node` holds at the op what it held at `site`, and its attributes as well."""
        for part in within(node):
            if isinstance(part, cst.Attribute) and self._is_set_since(part.attr.value, site):
                return False
        for name in names_in(node):
            then = self._spelling.value_at(name, site.scope, site.serial)
            if not self._spelling.still_holds(name, then, site) or (
                then is None and name not in builtins.NAMES
            ):
                return False
        return True

    def pieces(self, node: cst.CSTNode, part: cst.CSTNode) -> tuple[str, str]:
        """The text of `node` before and after `part`."""
        whole, inner = self._source.span(node), self._source.outer_span(part)
        ends = [self._source.offset(place) for place in (whole.start, inner.start, inner.end, whole.end)]
        return self._source.text[ends[0] : ends[1]], self._source.text[ends[2] : ends[3]]

    def holds_around(self, site: Op, part: cst.BaseExpression) -> bool:
        """Whether the expression of `site`, but for `part` of it, can be computed at the op just as well."""
        if not isinstance(site.node, cst.BaseExpression) or not any(n is part for n in within(site.node)):
            return False
        if site.statement is self._op.statement:
            return True
        todo: list[cst.CSTNode] = [site.node]
        while todo:
            node = todo.pop()
            if node is part:
                continue
            if isinstance(node, DEFERRED) or (isinstance(node, cst.Call) and not self._is_still(node, site)):
                return False
            if isinstance(node, cst.Name) and not self._means_the_same(node, site):
                return False
            todo.extend([node.value] if isinstance(node, (cst.Attribute, cst.Arg)) else children(node))
        return True

    def _is_still(self, call: cst.Call, site: Op) -> bool:
        """Whether a call gives the same numbers later on: it is `site`'s own, or moves numbers about."""
        if call is site.node:
            return True
        return any(op.node is call and op.scope is site.scope for op in self.graph.ops(*_MOVING))

    def _is_set_since(self, attribute: str, site: Op) -> bool:
        """Whether an attribute of this name is set in the function of `site`, there or behind it."""
        function, start = site.scope.node, self._source.span(site.statement or site.node).start
        if site.scope is not self._op.scope or site.statement is self._op.statement:
            return False
        for target in self._spelling.attribute_targets(function):
            if target.attr.value == attribute and self._source.span(target).start >= start:
                return True
        return False

    def _hoistable(self, node: cst.BaseExpression, site: Op) -> cst.SimpleStatementLine | None:
        """The statement before which `node` can be computed just as well."""
        statement = site.statement
        if (
            not isinstance(statement, cst.SimpleStatementLine)
            or len(statement.body) != 1
            or not isinstance(site.scope.node, (cst.FunctionDef, cst.Module))
            or not self._spelling.surely_before(statement)
        ):
            return None
        current: cst.CSTNode | None = node
        while current is not None and current is not statement:
            parent = self._source.parent(current)
            conditional = isinstance(parent, cst.IfExp) and parent.test is not current
            second = isinstance(parent, cst.BooleanOperation) and parent.right is current
            if conditional or second or isinstance(parent, (*DEFERRED, cst.AssignTarget)):
                return None
            current = parent
        return statement if current is statement else None

    # Text.

    def text(self, node: cst.CSTNode) -> str:
        """The text of a node, its own parentheses included; empty where it is in another file."""
        return self._source.code(node) if self._here(node) else ""

    def _here(self, node: cst.CSTNode) -> bool:
        """Whether `node` is in the file that is rewritten; an edit elsewhere makes the fix impossible."""
        if self._source.holds(node):
            return True
        self._refuse("what would be changed is in another file")
        return False


def numbered(name: str) -> Iterator[str]:
    """`name`, `name_1`, `name_2` ..."""
    yield name
    for number in count(1):
        yield f"{name}_{number}"


def _is_simple(node: cst.CSTNode) -> bool:
    """A literal, a name, an attribute, or an element of one: reading it again costs nothing."""
    return all(
        isinstance(part, _SIMPLE)
        or (isinstance(part, cst.UnaryOperation) and isinstance(part.expression, cst.BaseNumber))
        for part in within(node)
        if isinstance(part, cst.BaseExpression)
    )


def _is_pure(node: cst.CSTNode) -> bool:
    """No calls, and nothing that is not evaluated where it stands."""
    deferred = (cst.Call, cst.Await, cst.Yield, cst.NamedExpr, *DEFERRED)
    return not any(isinstance(part, deferred) for part in within(node))
