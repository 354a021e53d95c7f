"""What rules use to build a fix: edits of one file, with names spelled as the file spells them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Set
from copy import copy
from dataclasses import dataclass, field, fields, replace
from itertools import count, pairwise
from typing import Final

import libcst as cst

from tflint_nan.build import builtins
from tflint_nan.expression import assemble, comments_in, fill, meaning, names_in, within
from tflint_nan.finding import Applicability, Edit, Fix, Position, Span
from tflint_nan.graph import Graph
from tflint_nan.imports import insertion
from tflint_nan.parse import is_statement, parse_expression
from tflint_nan.spelling import Spelling
from tflint_nan.value import Const, Items, Op, Scope, Symbol, Value

#: Longest expression that is written a second time rather than given a name, in characters.
_SHORT: Final = 40
#: Parts of an expression that are not evaluated exactly once where they stand.
_DEFERRED = (cst.Lambda, cst.GeneratorExp, cst.ListComp, cst.SetComp, cst.DictComp)
_SIMPLE = (cst.Name, cst.Attribute, cst.Subscript, cst.BaseNumber, cst.SimpleString, cst.Tuple, cst.List)
_WORD = re.compile(r"\w")
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
#: Functions that read variables by their names.
_READERS = frozenset({"locals", "vars", "eval", "exec", "globals"})


@dataclass(frozen=True, slots=True)
class _Hoist:
    """What gets a name in a statement of its own, before `statement`: the expression `node`, or `text`.

    Without a statement it can only be moved inside the expression that it is part of. `rest` is what stays in
    the place of `node`: the text before and after the name.
    """

    name: str
    node: cst.BaseExpression
    statement: cst.SimpleStatementLine | None
    text: str
    scope: Scope
    rest: tuple[str, str] = ("", "")


@dataclass(slots=True)
class _Replacement:
    """An expression or statement, and the text that takes its place."""

    node: cst.CSTNode
    text: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A name that the fix took from something else: `line` binds it again where `around` reads it.

    It goes behind `statement`, without one to the beginning of the function `around`.
    """

    name: str
    line: str
    around: cst.CSTNode
    statement: cst.CSTNode | None = None


@dataclass(slots=True)
class _Draft:
    """What one fix has collected so far."""

    replacements: list[_Replacement] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    hoists: dict[int, _Hoist] = field(default_factory=dict)
    #: Import line -> what it is needed for.
    imports: dict[str, list[str]] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    #: Identity of a value and of the scope that it is read from -> the name that the fix gives it there.
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    #: Assignments that go where nothing reads the name any more, with the function around them.
    spare: dict[cst.SimpleStatementLine, cst.FunctionDef] = field(default_factory=dict)
    #: Names that still need a value where something reads them.
    kept: list[_Kept] = field(default_factory=list)
    #: Functions that return something else now -> which element of what they return, -1 for all of it.
    lifted: dict[cst.FunctionDef, int] = field(default_factory=dict)
    #: Calls of these -> what to do with each that no way of the fix goes through.
    pending: dict[cst.Call, Callable[[Rewriter], bool]] = field(default_factory=dict)
    failed: bool = False

    def copy(self) -> _Draft:
        """The same, to be written to by itself."""
        return _Draft(**{part.name: copy(getattr(self, part.name)) for part in fields(self)})


class Rewriter:
    """Collects the edits of one fix, all in the file of `op`.

    A method that is asked for what this place does not allow makes `fix` return None; only a template that
    is wrong in itself raises.
    """

    def __init__(self, graph: Graph, op: Op) -> None:
        self.graph = graph
        self._op = op
        self._source = op.source
        self._spelling = Spelling(graph, op)
        self._draft = _Draft()
        #: Why there is no fix, the first reason first.
        self._obstacles: list[str] = []

    def at(self, op: Op) -> Rewriter:
        """The same fix, with names as they are read where `op` stands."""
        other = Rewriter(self.graph, op)
        other._draft, other._obstacles = self._draft, self._obstacles
        return other

    def trial(self) -> Rewriter:
        """A fix that begins as this one does; `adopt` takes what is added to it."""
        other = self.at(self._op)
        other._draft = self._draft.copy()
        return other

    def adopt(self, trial: Rewriter) -> None:
        """Go on from where `trial` is."""
        for part in fields(_Draft):
            setattr(self._draft, part.name, getattr(trial._draft, part.name))

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
        self._draft.failed = True

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
        given = self._draft.names.get((id(value), id(self._op.scope)))
        if given is not None:
            return given
        places = list(self._expressions(value))
        for node, site in places:
            if _is_simple(node) and self._means_the_same(node, site):
                return self.text(node)
        for node, site in places:
            statement = self._hoistable(node, site)
            if statement is not None:
                return self._named(value, _Hoist(name, node, statement, self.text(node), site.scope))
        for node, site in places:
            if _is_pure(node) and len(self.text(node)) <= _SHORT and self._means_the_same(node, site):
                return self.text(node)
        if isinstance(value, Items):
            return self._items(value)
        for node, site in places:
            if site.statement is self._op.statement:
                return self._named(value, _Hoist(name, node, None, self.text(node), site.scope))
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
        return self._draft.lifted

    @property
    def pending(self) -> dict[cst.Call, Callable[[Rewriter], bool]]:
        """Calls of these functions -> what `fix` does with those that are left."""
        return self._draft.pending

    def given_name(self, value: Value, scope: Scope) -> str | None:
        """The name that the fix itself makes hold `value` in `scope`."""
        return self._draft.names.get((id(value), id(scope)))

    def given_names(self) -> Iterable[str]:
        """All names that the fix makes hold something."""
        return self._draft.names.values()

    def free_name(self, wanted: str, near: cst.CSTNode | None = None) -> str:
        """`wanted`, numbered where the function around the op (or `near`), or the fix itself, uses it."""
        if near is not None:
            around: cst.CSTNode | None = near
            while around is not None and not isinstance(around, (cst.FunctionDef, cst.Module)):
                around = self._source.parent(around)
            used = self._source.names_in(around or self._source.tree)
            return next(name for name in numbered(wanted) if name not in used)
        here = self._op.scope
        taken = {hoist.name for hoist in self._draft.hoists.values() if hoist.scope is here}
        taken |= {name for (_, scope), name in self._draft.names.items() if scope == id(here)}
        return self._spelling.free_name(wanted, taken)

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
        self._draft.names[id(value), id(scope)] = name

    def name_part(self, node: cst.BaseExpression, site: Op, text: str, around: tuple[str, str]) -> str | None:
        """A name for `text`, of which `node` is made: `around` is what comes before and after it there.

        Where the text is a variable that is bound once, that is the name. None where the statement of `site`,
        in which `node` stands, is not one before which it can be computed just as well.
        """
        if text.isidentifier() and self._is_steady(text, site.scope):
            return text
        statement = self._hoistable(node, site)
        inside = node if site.statement is self._op.statement else None
        if statement is None and inside is None:
            return None
        hoist = _Hoist(self.at(site).free_name("logits"), node, statement, text, site.scope, around)
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
        """Have `line` bind a name that the fix took from another value, see `_Kept`."""
        self._draft.kept.append(_Kept(name, line, around, statement))

    def _named(self, value: Value, hoist: _Hoist) -> str:
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
            if isinstance(node, _DEFERRED) or (isinstance(node, cst.Call) and not self._is_still(node, site)):
                return False
            if isinstance(node, cst.Name) and not self._means_the_same(node, site):
                return False
            todo.extend([node.value] if isinstance(node, (cst.Attribute, cst.Arg)) else node.children)
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
            if conditional or second or isinstance(parent, (*_DEFERRED, cst.AssignTarget)):
                return None
            current = parent
        return statement if current is statement else None

    # Text.

    def text(self, node: cst.CSTNode) -> str:
        """The text of a node, its own parentheses included."""
        self._here(node)
        return self._source.code(node)

    def _here(self, node: cst.CSTNode) -> bool:
        """Whether `node` is in the file that is rewritten; an edit elsewhere makes the fix impossible."""
        if self._source.holds(node):
            return True
        self._refuse("what would be changed is in another file")
        return False

    def replace(self, node: cst.CSTNode, template: str, **parts: str | cst.CSTNode | None) -> None:
        """Put a filled-in template in the place of an expression, or of a statement that is one.

        Args:
            node: what is replaced; parentheses around it stay. `x /= y` becomes `x = ...` for an expression.
            template: text with `{names}`; an expression, or an assignment where `node` is a statement.
            **parts: what stands for the names: texts and nodes. Parentheses are added where a part, or
                the whole in its new place, needs them.

        Raises:
            ValueError: the template with its parts is no expression.
        """
        if not self._here(node):
            return
        texts = {}
        for name, part in parts.items():
            if part is not None:
                texts[name] = part if isinstance(part, str) else self.text(part)
        text = fill(template, texts)
        if isinstance(node, cst.AugAssign) and parse_expression(f"({text})") is not None:
            text = f"{self.text(node.target)} = {text}"
        self._draft.replacements.append(_Replacement(node, text))

    def replace_target(self, statement: cst.CSTNode | None, target: cst.CSTNode, name: str) -> None:
        """Bind another name in an assignment, in the place of `target`."""
        assign = only_assignment(statement)
        if assign is None or not self._here(target):
            self._refuse("what is renamed is not assigned by itself")
            return
        before, after = self.pieces(assign, target)
        self._draft.replacements.append(_Replacement(assign, before + name + after))

    def set_argument(self, call: cst.CSTNode, name: str, text: str, position: int | None = None) -> None:
        """Give a call the keyword argument `name`, in the place of the one it has.

        `position`, from 0, is that of the parameter, where it may have been given without its name.
        """
        arg = self._argument(call, name, position)
        if arg is not None:
            self._draft.replacements.append(_Replacement(arg.value, text))
            return
        written = parse_expression(f"_({name}={text})")
        if not isinstance(call, cst.Call) or not self._here(call) or written is None:
            self._refuse("what takes the argument is no call here")
            return
        if not call.args:
            end = self._source.span(call).end
            place = Position(end.row, end.column - 1)
            self._draft.edits.append(Edit(Span(place, place), f"{name}={text}"))
            return
        last = call.args[-1].value
        if isinstance(last, cst.GeneratorExp) and not self.text(last).startswith("("):
            self._refuse("a generator without parentheses takes no second argument")
            return
        row = self._source.span(call.args[-1]).start.row
        column = self._source.span(call.args[-1]).start.column
        before = self._source.line(row)[: column - 1]
        own_line = not before.strip() and row != self._source.span(call).start.row
        end = self._source.outer_span(last).end
        self._draft.edits.append(
            Edit(Span(end, end), f",{chr(10) + before if own_line else ' '}{name}={text}")
        )

    def remove_argument(self, call: cst.CSTNode, name: str, position: int | None = None) -> None:
        """Take an argument out of a call, its comma included; nothing happens where it is not given."""
        arg = self._argument(call, name, position)
        if arg is None or not isinstance(call, cst.Call):
            return
        index = next(index for index, other in enumerate(call.args) if other is arg)
        if index:
            start = self._source.outer_span(call.args[index - 1].value).end
            end = self._source.outer_span(arg.value).end
            comma = call.args[index - 1].comma
            lost = comments_in(arg) + (comments_in(comma) if isinstance(comma, cst.Comma) else [])
        else:
            start = self._source.span(arg).start
            following = call.args[1:2]
            end = self._source.span(following[0]).start if following else self._source.outer_span(arg).end
            lost = comments_in(arg)
        if lost:
            self._refuse("a comment would be lost")
        self._draft.edits.append(Edit(Span(start, end), ""))

    def remove_layer(self, made: cst.Call) -> bool:
        """Take a layer out where its constructor stands: in a list of layers, `model.add(...)`, or `...(x)`.

        False where it stands anywhere else, or would leave nothing.
        """
        parent = self._source.parent(made)
        if isinstance(parent, cst.Call) and parent.func is made and len(parent.args) == 1:
            self.replace(parent, "{x}", x=parent.args[0].value)
            return True
        if isinstance(parent, cst.Element):
            holder = self._source.parent(parent)
            elements = list(holder.elements) if isinstance(holder, cst.List) else []
            index = next((place for place, other in enumerate(elements) if other is parent), 0)
            if not index or comments_in(parent) or comments_in(elements[index - 1]):
                return False
            start = self._source.outer_span(elements[index - 1].value).end
            self._draft.edits.append(Edit(Span(start, self._source.outer_span(made).end), ""))
            return True
        added = self._source.parent(parent) if isinstance(parent, cst.Arg) else None
        expression = self._source.parent(added) if isinstance(added, cst.Call) else None
        line = self._source.parent(expression) if isinstance(expression, cst.Expr) else None
        if (
            not isinstance(added, cst.Call)
            or not isinstance(line, cst.SimpleStatementLine)
            or len(line.body) > 1
        ):
            return False
        if not isinstance(added.func, cst.Attribute) or added.func.attr.value != "add" or comments_in(line):
            return False
        self.remove_statement(line)
        return True

    def _argument(self, call: cst.CSTNode, name: str, position: int | None) -> cst.Arg | None:
        if not isinstance(call, cst.Call) or not self._here(call):
            self._refuse("what takes the argument is no call here")
            return None
        for arg in call.args:
            if arg.keyword is not None and arg.keyword.value == name:
                return arg
        if position is not None and position < len(call.args):
            given = call.args[: position + 1]
            if all(arg.keyword is None and not arg.star for arg in given):
                return given[-1]
        return None

    # Statements.

    def insert_before(self, statement: cst.CSTNode | None, line: str) -> None:
        """Put `line` (or lines) before a statement, indented like it."""
        place = self._beginning(statement)
        if place is not None:
            self._insert_before(statement, _indented(line, self._indent(place)))

    def _insert_before(self, statement: cst.CSTNode | None, text: str) -> None:
        place = self._beginning(statement)
        if place is not None:
            self._draft.edits.append(Edit(Span(place, place), text + "\n" + self._indent(place)))

    def insert_after(self, statement: cst.CSTNode | None, line: str) -> None:
        """Put `line` (or lines) after a statement, indented like it."""
        place = self._beginning(statement)
        if place is not None and statement is not None:
            indent = self._indent(place)
            row = self._source.span(statement).end.row
            end = Position(row, len(self._source.line(row)) + 1)
            self._draft.edits.append(Edit(Span(end, end), "\n" + indent + _indented(line, indent)))

    def remove_statement(self, statement: cst.CSTNode | None) -> None:
        """Take out the lines of a statement; an empty block keeps a `pass`."""
        place = self._beginning(statement)
        if place is None or statement is None:
            return
        self._draft.removed.add(id(statement))
        block = self._source.parent(statement)
        end = self._source.span(statement).end
        if isinstance(block, cst.IndentedBlock) and all(
            id(other) in self._draft.removed for other in block.body
        ):
            self._draft.edits.append(Edit(Span(place, end), "pass"))
        else:
            self._draft.edits.append(Edit(Span(Position(place.row, 1), Position(end.row + 1, 1)), ""))

    def _beginning(self, statement: cst.CSTNode | None) -> Position | None:
        """Where a statement that begins its line begins, decorators included."""
        if isinstance(statement, (cst.SimpleStatementLine, cst.BaseCompoundStatement)) and self._here(
            statement
        ):
            decorators = getattr(statement, "decorators", ())
            place = self._source.span(decorators[0] if decorators else statement).start
            if not self._indent(place).strip():
                return place
        self._refuse("the statement does not begin its line")
        return None

    def _indent(self, place: Position) -> str:
        return self._source.line(place.row)[: place.column - 1]

    # The fix.

    def fix(self, applicability: Applicability, message: str) -> Fix | None:
        """The fix with all edits so far, None where this place does not allow one of them."""
        for apply in self._draft.pending.values():
            if not apply(self):
                self._refuse("what a function returns is taken where it cannot be changed")
        gone = self._unread()
        self._place_hoists(gone)
        self._place_names(gone)
        for replacement in self._draft.replacements:
            self._place(replacement)
        written = [edit.content for edit in self._draft.edits]
        for line, spelled in self._draft.imports.items():
            # What a rule asked for and then did without needs no import.
            if any(name in content for name in spelled for content in written):
                self._draft.edits.insert(0, insertion(self._source, line))
        edits = sorted(self._draft.edits, key=lambda edit: edit.span)
        overlap = any(before.span.end > after.span.start for before, after in pairwise(edits))
        if overlap:
            self._refuse("its edits overlap")
        if self._draft.failed or not edits:
            return None
        return Fix(applicability, message, tuple(edits))

    def _place_hoists(self, gone: Set[cst.CSTNode]) -> None:
        """Give names to moved expressions, or put them straight into the one place that uses them."""
        for hoist in sorted(self._draft.hoists.values(), key=lambda hoist: self._source.span(hoist.node)):
            word = re.compile(rf"\b{hoist.name}\b")
            texts = [replacement.text for replacement in self._draft.replacements]
            uses = sum(
                len(word.findall(text)) for text in [*texts, *(edit.content for edit in self._draft.edits)]
            )
            if not uses:
                continue
            around = self._around(hoist.node)
            if uses == 1 and around is not None and word.search(around.text):
                before, after = word.split(around.text)
                moved = assemble([(before, False), (hoist.text, True), (after, False)])
                around.text = around.text if moved is None else moved
                if moved is None:
                    self._refuse("the new text does not fit in its place")
                continue
            if hoist.statement is not None and self._is_used_above(word, hoist.statement):
                self._refuse("a value that it needs is made further below")
                continue
            text = hoist.text if parse_expression(hoist.text) is not None else f"({hoist.text})"
            assign = only_assignment(hoist.statement) if hoist.statement in gone else None
            if assign is not None:
                self._draft.replacements.append(_Replacement(assign.targets[0].target, hoist.name))
                self._draft.replacements.append(_Replacement(assign.value, text))
                continue
            self._insert_before(hoist.statement, f"{hoist.name} = {text}")
            if around is None:
                rest = assemble([(hoist.rest[0], False), (hoist.name, True), (hoist.rest[1], False)])
                self._draft.replacements.append(_Replacement(hoist.node, rest or hoist.name))

    def _is_used_above(self, word: re.Pattern[str], statement: cst.CSTNode) -> bool:
        """Whether new text before a statement, in the same function, has a word."""
        start, around = self._source.span(statement).start, self._function_of(statement)
        above = [other for other in self._draft.replacements if self._source.span(other.node).start < start]
        return any(word.search(other.text) and self._function_of(other.node) is around for other in above)

    def _function_of(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The function around a node, None for the module."""
        current = self._source.parent(node)
        while current is not None and not isinstance(current, (cst.FunctionDef, cst.Lambda)):
            current = self._source.parent(current)
        return current

    def _unread(self) -> set[cst.CSTNode]:
        """The assignments that are left out: nothing reads any more what they bind."""
        gone: set[cst.CSTNode] = set()
        for _ in self._draft.spare:
            more = {statement for statement in self._draft.spare if self._is_spared(statement, gone)}
            if more <= gone:
                break
            gone |= more
        return gone

    def _is_spared(self, statement: cst.SimpleStatementLine, gone: Set[cst.CSTNode]) -> bool:
        """Whether an assignment can be left out together with what is `gone`.

        An op with a name of its own can be asked for by that, and a function that reads its variables by
        their names may read any.
        """
        function, assign = self._draft.spare[statement], only_assignment(statement)
        if assign is None or not isinstance(assign.targets[0].target, cst.Name) or comments_in(statement):
            return False
        if sum(hoist.statement is statement for hoist in self._draft.hoists.values()) > 1:
            return False
        args = assign.value.args if isinstance(assign.value, cst.Call) else ()
        if any(arg.keyword is not None and arg.keyword.value == "name" for arg in args):
            return False
        if not _READERS.isdisjoint(self._source.names_in(function)):
            return False
        return not self._is_read(assign.targets[0].target.value, function, {*gone, assign.targets[0].target})

    def _is_read(self, name: str, around: cst.CSTNode, gone: Set[cst.CSTNode] = frozenset()) -> bool:
        """Whether a variable is read, or bound, in what the fix leaves of `around` without what is `gone`."""
        word = re.compile(rf"\b{name}\b")
        texts = [replacement.text for replacement in self._draft.replacements]
        texts += [hoist.text for hoist in self._draft.hoists.values()]
        if any(word.search(text) for text in [*texts, *(edit.content for edit in self._draft.edits)]):
            return True
        replaced = {id(replacement.node) for replacement in self._draft.replacements}
        todo = [around]
        while todo:
            node = todo.pop()
            if id(node) in replaced or node in gone:
                continue
            if isinstance(node, cst.Name):
                parent = self._source.parent(node)
                apart = isinstance(parent, cst.Attribute) and parent.attr is node
                keyword = isinstance(parent, cst.Arg) and parent.keyword is node
                if node.value == name and not apart and not keyword:
                    return True
            todo.extend(node.children)
        return False

    def _place_names(self, gone: Set[cst.CSTNode]) -> None:
        """Leave out what nothing reads any more, and bind again what something still reads."""
        moved = {id(hoist.statement) for hoist in self._draft.hoists.values()}
        for statement in self._draft.spare:
            if statement in gone and id(statement) not in moved:
                self.remove_statement(statement)
        for kept in self._draft.kept:
            if not isinstance(kept.around, cst.FunctionDef):
                self.insert_after(kept.statement, kept.line)
            elif self._is_read(kept.name, kept.around):
                if kept.statement is not None:
                    self.insert_after(kept.statement, kept.line)
                else:
                    self.insert_before(_first_statement(kept.around), kept.line)

    def _around(self, node: cst.CSTNode) -> _Replacement | None:
        """The replacement of something that `node` is part of, and is evaluated with."""
        current: cst.CSTNode | None = node
        while current is not None and not isinstance(current, (cst.BaseStatement, *_DEFERRED)):
            for replacement in self._draft.replacements:
                if replacement.node is current:
                    return replacement
            current = self._source.parent(current)
        return None

    def _place(self, replacement: _Replacement) -> None:
        """Add the edit for a replacement, with the comments that it would lose put before its statement."""
        node = replacement.node
        text = self._fitted(node, replacement.text)
        if text is None:
            self._refuse("the new text does not fit in its place")
            return
        span = self._source.span(node) if getattr(node, "lpar", ()) else self._source.outer_span(node)
        start, end = self._source.offset(span.start), self._source.offset(span.end)
        whole = self._source.text
        if start and _WORD.match(whole[start - 1]) and re.match(r"[\w\"']", text):
            text = " " + text
        if _WORD.match(whole[end : end + 1]) and _WORD.match(text[-1]):
            text += " "
        for comment in comments_in(node):
            written = any(comment in edit.content for edit in self._draft.edits)
            if comment not in text and comment in whole[start:end] and not written:
                self.insert_before(self._op.statement, comment)
        self._draft.edits.append(Edit(span, text))

    def _fitted(self, node: cst.CSTNode, text: str) -> str | None:
        """`text` in parentheses where it would not stay one expression in the place of `node`."""
        if not isinstance(node, cst.BaseExpression):
            return text if is_statement(text) else None
        parent = self._source.parent(node)
        if parse_expression(text) is None and parse_expression(f"({text})") is None:
            return text if isinstance(parent, cst.Expr) and is_statement(text) else None
        if node.lpar:
            return text
        outermost: cst.BaseExpression = node
        left, right = "(", ")"
        while parent is not None and not isinstance(parent, (cst.BaseStatement, cst.BaseSmallStatement)):
            if isinstance(parent, (cst.Arg, cst.Element)):
                # What stands outside of the commas cannot bind to it, and may be long.
                left, right = "[_, ", ", _]"
                break
            if isinstance(parent, cst.BaseExpression):
                outermost = parent
            parent = self._source.parent(parent)
        whole, inner = self._source.outer_span(outermost), self._source.outer_span(node)
        before = self._source.text[self._source.offset(whole.start) : self._source.offset(inner.start)]
        after = self._source.text[self._source.offset(inner.end) : self._source.offset(whole.end)]
        wanted = parse_expression(f"{left}{before}({text}){after}{right}")
        for candidate in (text, f"({text})"):
            got = parse_expression(f"{left}{before}{candidate}{after}{right}")
            if got is not None and wanted is not None and meaning(got) == meaning(wanted):
                return candidate
        return None


def _indented(lines: str, indent: str) -> str:
    return lines.replace("\n", "\n" + indent)


def numbered(name: str) -> Iterator[str]:
    """`name`, `name_1`, `name_2` ..."""
    yield name
    for number in count(1):
        yield f"{name}_{number}"


def only_assignment(statement: cst.CSTNode | None) -> cst.Assign | None:
    """The assignment to one target that a statement is."""
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        only = statement.body[0]
        if isinstance(only, cst.Assign) and len(only.targets) == 1:
            return only
    return None


def _first_statement(function: cst.FunctionDef) -> cst.CSTNode | None:
    """The first statement of a function's body behind its docstring; None for a body on the same line."""
    if not isinstance(function.body, cst.IndentedBlock):
        return None
    skip = 1 if function.get_docstring() is not None and len(function.body.body) > 1 else 0
    return function.body.body[skip]


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
    deferred = (cst.Call, cst.Await, cst.Yield, cst.NamedExpr, *_DEFERRED)
    return not any(isinstance(part, deferred) for part in within(node))
