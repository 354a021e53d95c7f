"""What rules use to build a fix: edits, with names spelled as each file spells them."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import fields, replace
from itertools import pairwise

import libcst as cst

from tflint_nan.draft import Plan, Replacement
from tflint_nan.expression import assemble, comments_in, fill, meaning, only_assignment
from tflint_nan.finding import Applicability, Edit, Fix, Position, Span
from tflint_nan.imports import insertion
from tflint_nan.naming import DEFERRED, Naming
from tflint_nan.parse import is_statement, parse_expression
from tflint_nan.places import within
from tflint_nan.unread import is_read, unread
from tflint_nan.value import Op

_WORD = re.compile(r"\w")


class Rewriter(Naming):
    """Collects the edits of one fix: in the file of `op`, and with `at` in others.

    A method that is asked for what this place does not allow makes `fix` return None; only a template that
    is wrong in itself raises.
    """

    def at(self, op: Op) -> Rewriter:
        """The same fix, with names as they are read where `op` stands."""
        other = Rewriter(self.graph, op, self.project)
        other._plan, other._obstacles = self._plan, self._obstacles
        return other

    def trial(self) -> Rewriter:
        """A fix that begins as this one does; `adopt` takes what is added to it."""
        other = self.at(self._op)
        other._plan = self._plan.copy()
        return other

    def adopt(self, trial: Rewriter) -> None:
        """Go on from where `trial` is."""
        for part in fields(Plan):
            setattr(self._plan, part.name, getattr(trial._plan, part.name))

    # Text.

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
        self._draft.replacements.append(Replacement(node, text))

    def replace_target(self, statement: cst.CSTNode | None, target: cst.CSTNode, name: str) -> None:
        """Bind another name in an assignment, in the place of `target`."""
        assign = only_assignment(statement)
        if assign is None or not self._here(target):
            self._refuse("what is renamed is not assigned by itself")
            return
        before, after = self.pieces(assign, target)
        self._draft.replacements.append(Replacement(assign, before + name + after))

    def set_argument(self, call: cst.CSTNode, name: str, text: str, position: int | None = None) -> None:
        """Give a call the keyword argument `name`, in the place of the one it has.

        `position`, from 0, is that of the parameter, where it may have been given without its name.
        """
        arg = self._argument(call, name, position)
        if arg is not None:
            self._draft.replacements.append(Replacement(arg.value, text))
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
            before = self._source.exact(call.args[index - 1])
            assert isinstance(before, cst.Arg)
            lost = self._source.comments(arg) + comments_in(before.comma)
        else:
            start = self._source.span(arg).start
            following = call.args[1:2]
            end = self._source.span(following[0]).start if following else self._source.outer_span(arg).end
            lost = self._source.comments(arg)
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
            if not index or self._source.comments(parent) or self._source.comments(elements[index - 1]):
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
        if not isinstance(added.func, cst.Attribute) or added.func.attr.value != "add":
            return False
        if self._source.comments(line):
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
        """The fix with all edits so far, None where this place does not allow one of them.

        It is no safe one where it changes what callers get that nobody may have seen.
        """
        for apply in self._plan.pending.values():
            if not apply(self):
                self._refuse("what a function returns is taken where it cannot be changed")
        edits = self._edits()
        for source, draft in list(self._plan.drafts.items()):
            if source is not self._source:
                there = self.at(draft.op)._edits()
                edits += [replace(edit, filename=source.filename) for edit in there]
        if self._plan.failed or not edits:
            return None
        if self._plan.uncertain and applicability is Applicability.SAFE:
            applicability = Applicability.UNSAFE
        return Fix(applicability, message, tuple(edits))

    def _edits(self) -> list[Edit]:
        """The edits of the op's own file."""
        gone = unread(self._draft)
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
        if any(self._source.breaks_string(edit) for edit in edits):
            self._refuse("Python before 3.12 does not take the new text inside of an f-string")
        return edits

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
                self._draft.replacements.append(Replacement(assign.targets[0].target, hoist.name))
                self._draft.replacements.append(Replacement(assign.value, text))
                continue
            self._insert_before(hoist.statement, f"{hoist.name} = {text}")
            if around is None:
                rest = assemble([(hoist.rest[0], False), (hoist.name, True), (hoist.rest[1], False)])
                self._draft.replacements.append(Replacement(hoist.node, rest or hoist.name))

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

    def _place_names(self, gone: Set[cst.CSTNode]) -> None:
        """Leave out what nothing reads any more, and bind again what something still reads."""
        moved = {id(hoist.statement) for hoist in self._draft.hoists.values()}
        for statement in self._draft.spare:
            if statement in gone and id(statement) not in moved:
                self.remove_statement(statement)
        for kept in self._draft.kept:
            if not isinstance(kept.around, cst.FunctionDef):
                self.insert_after(kept.statement, kept.line)
            elif is_read(self._draft, kept.name, kept.around):
                if kept.statement is not None:
                    self.insert_after(kept.statement, kept.line)
                else:
                    self.insert_before(_first_statement(kept.around), kept.line)

    def _around(self, node: cst.CSTNode) -> Replacement | None:
        """The replacement of something that `node` is part of, and is evaluated with."""
        current: cst.CSTNode | None = node
        while current is not None and not isinstance(current, (cst.BaseStatement, *DEFERRED)):
            for replacement in self._draft.replacements:
                if replacement.node is current:
                    return replacement
            current = self._source.parent(current)
        return None

    def _place(self, replacement: Replacement) -> None:
        """Add the edit for a replacement, with the comments that it would lose put before its statement."""
        node = replacement.node
        bare = not getattr(self._source.exact(node), "lpar", ())
        text = self._fitted(node, replacement.text)
        if text is None:
            self._refuse("the new text does not fit in its place")
            return
        if any(isinstance(part, cst.NamedExpr) and ":=" not in text for part in within(node)):
            self._refuse("a name that is bound within it would be lost")
        span = self._source.outer_span(node) if bare else self._source.span(node)
        start, end = self._source.offset(span.start), self._source.offset(span.end)
        whole = self._source.text
        if start and _WORD.match(whole[start - 1]) and re.match(r"[\w\"']", text):
            text = " " + text
        if _WORD.match(whole[end : end + 1]) and _WORD.match(text[-1]):
            text += " "
        for comment in self._source.comments(node):
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
        if getattr(self._source.exact(node), "lpar", ()):
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


def _first_statement(function: cst.FunctionDef) -> cst.CSTNode | None:
    """The first statement of a function's body behind its docstring; None for a body on the same line."""
    if not isinstance(function.body, cst.IndentedBlock):
        return None
    skip = 1 if function.get_docstring() is not None and len(function.body.body) > 1 else 0
    return function.body.body[skip]
