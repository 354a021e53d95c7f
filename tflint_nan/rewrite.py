"""What rules use to build a fix: edits of one file, with names spelled as the file spells them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import libcst as cst

from tflint_nan.build import builtins
from tflint_nan.expression import assemble, comments_in, fill, meaning, names_in, within
from tflint_nan.finding import Applicability, Edit, Fix, Position, Span
from tflint_nan.graph import Graph
from tflint_nan.parse import is_statement, parse_expression
from tflint_nan.spelling import Spelling
from tflint_nan.value import Const, Items, Op, Symbol, Value

#: Longest expression that is written a second time rather than given a name, in characters.
_SHORT: Final = 40
#: Parts of an expression that are not evaluated exactly once where they stand.
_DEFERRED = (cst.Lambda, cst.GeneratorExp, cst.ListComp, cst.SetComp, cst.DictComp)
_SIMPLE = (cst.Name, cst.Attribute, cst.Subscript, cst.BaseNumber, cst.SimpleString, cst.Tuple, cst.List)
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class _Hoist:
    """An expression that gets a name in a statement of its own, before `statement`.

    Without a statement it can only be moved inside the expression that it is part of.
    """

    name: str
    node: cst.BaseExpression
    statement: cst.SimpleStatementLine | None


@dataclass(slots=True)
class _Replacement:
    """An expression or statement, and the text that takes its place."""

    node: cst.CSTNode
    text: str


class Rewriter:
    """Collects the edits of one fix, all in the file of `op`.

    A method that is asked for what this place does not allow makes `fix` return None; only a template that
    is wrong in itself raises.
    """

    def __init__(self, graph: Graph, op: Op) -> None:
        self._graph = graph
        self._op = op
        self._source = op.source
        self._spelling = Spelling(graph, op)
        self._replacements: list[_Replacement] = []
        self._edits: list[Edit] = []
        self._hoists: dict[int, _Hoist] = {}
        #: Import line -> what it is needed for.
        self._imports: dict[str, list[str]] = {}
        self._removed: set[int] = set()
        #: Why there is no fix, the first reason first.
        self._obstacles: list[str] = []
        self._failed = False

    @property
    def obstacle(self) -> str | None:
        """Why this place cannot be rewritten as asked, None where nothing stood in the way so far."""
        return self._obstacles[0] if self._obstacles else None

    def _refuse(self, why: str) -> None:
        """There will be no fix."""
        self._obstacles.append(why)
        self._failed = True

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
            self._imports.setdefault(line, []).append(spelled)
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
        if id(value) in self._hoists:
            return self._hoists[id(value)].name
        places = list(self._expressions(value))
        for node, site in places:
            if _is_simple(node) and self._means_the_same(node, site):
                return self.text(node)
        for node, site in places:
            statement = self._hoistable(node, site)
            if statement is not None:
                return self._named(value, _Hoist(name, node, statement))
        for node, site in places:
            if _is_pure(node) and len(self.text(node)) <= _SHORT and self._means_the_same(node, site):
                return self.text(node)
        if isinstance(value, Items):
            return self._items(value)
        for node, site in places:
            if site.statement is self._op.statement:
                return self._named(value, _Hoist(name, node, None))
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

    def _named(self, value: Value, hoist: _Hoist) -> str:
        taken = {other.name for other in self._hoists.values()}
        hoist = replace(hoist, name=self._spelling.free_name(hoist.name, taken))
        self._hoists[id(value)] = hoist
        return hoist.name

    def _literal(self, value: Const) -> str | None:
        for node, site in self._expressions(value):
            if any(True for _ in names_in(node)):
                # It was computed; the literal would hold for this caller only.
                return self.text(node) if _is_pure(node) and self._means_the_same(node, site) else None
        literal = value.value
        if isinstance(literal, float) and not math.isfinite(literal):
            return f'float("{literal}")'
        simple = literal is None or isinstance(literal, (bool, int, float, str, bytes))
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
        """Whether every name in `node` holds at the op what it held at `site`."""
        for name in names_in(node):
            then = self._spelling.value_at(name, site.scope, site.serial)
            if not self._spelling.still_holds(name, then) or (then is None and name not in builtins.NAMES):
                return False
        return True

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
            node: what is replaced; parentheses around it stay.
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
        self._replacements.append(_Replacement(node, fill(template, texts)))

    def set_argument(self, call: cst.CSTNode, name: str, text: str, position: int | None = None) -> None:
        """Give a call the keyword argument `name`, in the place of the one it has.

        `position`, from 0, is that of the parameter, where it may have been given without its name.
        """
        arg = self._argument(call, name, position)
        if arg is not None:
            self._replacements.append(_Replacement(arg.value, text))
            return
        written = parse_expression(f"_({name}={text})")
        if not isinstance(call, cst.Call) or not self._here(call) or written is None:
            self._refuse("what takes the argument is no call here")
            return
        if not call.args:
            end = self._source.span(call).end
            place = Position(end.row, end.column - 1)
            self._edits.append(Edit(Span(place, place), f"{name}={text}"))
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
        self._edits.append(Edit(Span(end, end), f",{chr(10) + before if own_line else ' '}{name}={text}"))

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
        self._edits.append(Edit(Span(start, end), ""))

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
            self._edits.append(Edit(Span(place, place), text + "\n" + self._indent(place)))

    def insert_after(self, statement: cst.CSTNode | None, line: str) -> None:
        """Put `line` (or lines) after a statement, indented like it."""
        place = self._beginning(statement)
        if place is not None and statement is not None:
            indent = self._indent(place)
            row = self._source.span(statement).end.row
            end = Position(row, len(self._source.line(row)) + 1)
            self._edits.append(Edit(Span(end, end), "\n" + indent + _indented(line, indent)))

    def remove_statement(self, statement: cst.CSTNode | None) -> None:
        """Take out the lines of a statement; an empty block keeps a `pass`."""
        place = self._beginning(statement)
        if place is None or statement is None:
            return
        self._removed.add(id(statement))
        block = self._source.parent(statement)
        end = self._source.span(statement).end
        if isinstance(block, cst.IndentedBlock) and all(id(other) in self._removed for other in block.body):
            self._edits.append(Edit(Span(place, end), "pass"))
        else:
            self._edits.append(Edit(Span(Position(place.row, 1), Position(end.row + 1, 1)), ""))

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
        self._place_hoists()
        for replacement in self._replacements:
            self._place(replacement)
        written = [edit.content for edit in self._edits]
        for line, spelled in self._imports.items():
            # What a rule asked for and then did without needs no import.
            if any(name in content for name in spelled for content in written):
                rest, self._edits = self._edits, []
                self.insert_before(self._spelling.first_import(), line)
                self._edits += rest
        edits = sorted(self._edits, key=lambda edit: edit.span)
        overlap = any(before.span.end > after.span.start for before, after in pairwise(edits))
        if overlap:
            self._refuse("its edits overlap")
        if self._failed or not edits:
            return None
        return Fix(applicability, message, tuple(edits))

    def _place_hoists(self) -> None:
        """Give names to moved expressions, or put them straight into the one place that uses them."""
        for hoist in sorted(self._hoists.values(), key=lambda hoist: self._source.span(hoist.node)):
            word = re.compile(rf"\b{hoist.name}\b")
            texts = [replacement.text for replacement in self._replacements]
            uses = sum(len(word.findall(text)) for text in [*texts, *(edit.content for edit in self._edits)])
            if not uses:
                continue
            around = self._around(hoist.node)
            if uses == 1 and around is not None and word.search(around.text):
                before, after = word.split(around.text)
                moved = assemble([(before, False), (self.text(hoist.node), True), (after, False)])
                around.text = around.text if moved is None else moved
                if moved is None:
                    self._refuse("the new text does not fit in its place")
                continue
            text = self.text(hoist.node)
            if parse_expression(text) is None:
                text = f"({text})"
            self._insert_before(hoist.statement, f"{hoist.name} = {text}")
            if around is None:
                self._replacements.append(_Replacement(hoist.node, hoist.name))

    def _around(self, node: cst.CSTNode) -> _Replacement | None:
        """The replacement of something that `node` is part of, and is evaluated with."""
        current: cst.CSTNode | None = node
        while current is not None and not isinstance(current, (cst.BaseStatement, *_DEFERRED)):
            for replacement in self._replacements:
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
            written = any(comment in edit.content for edit in self._edits)
            if comment not in text and comment in whole[start:end] and not written:
                self.insert_before(self._op.statement, comment)
        self._edits.append(Edit(span, text))

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
        while parent is not None and not isinstance(parent, (cst.BaseStatement, cst.BaseSmallStatement)):
            if isinstance(parent, cst.BaseExpression):
                outermost = parent
            parent = self._source.parent(parent)
        whole, inner = self._source.outer_span(outermost), self._source.outer_span(node)
        before = self._source.text[self._source.offset(whole.start) : self._source.offset(inner.start)]
        after = self._source.text[self._source.offset(inner.end) : self._source.offset(whole.end)]
        wanted = parse_expression(f"({before}({text}){after})")
        for candidate in (text, f"({text})"):
            got = parse_expression(f"({before}{candidate}{after})")
            if got is not None and wanted is not None and meaning(got) == meaning(wanted):
                return candidate
        return None


def _indented(lines: str, indent: str) -> str:
    return lines.replace("\n", "\n" + indent)


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
