"""Statements: what they bind, which way they go on, and what both ways leave behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import libcst as cst

from tflint_nan.build.expressions import BINARY, MAX_UNROLL
from tflint_nan.build.fold import truth
from tflint_nan.build.loops import Changes, Flow, Loops
from tflint_nan.ops.points import is_numpy
from tflint_nan.ops.table import APIS
from tflint_nan.value import (
    NONE,
    Binding,
    Class,
    Const,
    Function,
    Items,
    Module,
    Object,
    OneOf,
    Scope,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)


class Statements(Loops):
    """Executes statements."""

    def spend(self) -> bool:
        """Use one unit of the work that is allowed; False when it is used up."""
        return True

    def execute(self, body: Sequence[cst.BaseStatement | cst.BaseSmallStatement]) -> Flow:
        """Run a block; what follows a statement that leaves is not reached."""
        frame = self.frame
        for statement in body:
            if not self.spend():
                return Flow.NEXT
            frame.statement = statement
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                flow = handler(self, statement)
                if flow is not Flow.NEXT:
                    return flow
        return Flow.NEXT

    # Simple statements.

    def _line(self, node: cst.SimpleStatementLine | cst.SimpleStatementSuite) -> Flow:
        for part in node.body:
            handler = _SIMPLE.get(type(part))
            if handler is not None:
                flow = handler(self, part)
                if flow is not Flow.NEXT:
                    return flow
        return Flow.NEXT

    def _expr(self, node: cst.Expr) -> Flow:
        if type(node.value) is not cst.SimpleString:  # most are docstrings
            self.evaluate(node.value)
        return Flow.NEXT

    def _assign(self, node: cst.Assign) -> Flow:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target.target, value)
        return Flow.NEXT

    def _annotated(self, node: cst.AnnAssign) -> Flow:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))
        return Flow.NEXT

    def _augmented(self, node: cst.AugAssign) -> Flow:
        left, right = self.evaluate(node.target), self.evaluate(node.value)
        outer, self.node = self.node, node
        value = self.binary(BINARY[type(node.operator)], left, right, node.target, node.value)
        self.node = outer
        if isinstance(left, Items) and isinstance(value, Items) and left.kind == "list":
            self.mutate(left, value)  # a list is extended for everybody who holds it
        else:
            if is_numpy(left.op) and left.shape != ():
                self.overwrite(left)  # an array as well
            self.assign(node.target, value)
        return Flow.NEXT

    def assign(self, target: cst.BaseExpression, value: Value) -> None:
        """`target = value`, for names, attributes, items and tuples of these."""
        if type(target) is cst.Name:
            self.bind(target.value, value)
        elif type(target) is cst.Attribute:
            self.store(self.evaluate(target.value), target.attr.value, value)
        elif type(target) is cst.Tuple or type(target) is cst.List:
            self._unpack(target.elements, value)
        elif type(target) is cst.Subscript:
            self._store(target, value)
        elif type(target) is cst.StarredElement:
            self.assign(target.value, value)

    def store(self, receiver: Value, name: str, value: Value) -> None:
        """`receiver.name = value`."""
        if isinstance(receiver, Object):
            self.set(receiver, name, value)
            if f"{receiver.kind}.__setattr__" in APIS:
                outer, self.node = self.node, self.frame.statement or self.node
                self.method(receiver, "__setattr__", [Const(name), value], {})
                self.node = outer
        elif isinstance(receiver, (Class, Module, Function)):
            self.effects += 1
            if isinstance(receiver, Class):
                self.write(receiver.names, name, value)
            else:
                names = receiver.attrs if isinstance(receiver, Function) else receiver.scope.names
                self.write(names, name, value)

    def _unpack(self, targets: Sequence[cst.BaseElement], value: Value) -> None:
        stars = [index for index, target in enumerate(targets) if type(target) is cst.StarredElement]
        known = self.elements(self._same_length(value, len(targets)))
        if known is not None and stars and len(known) >= len(targets) - 1:
            rest = len(known) - len(targets) + 1
            middle = Items(tuple(known[stars[0] : stars[0] + rest]), "list")
            known = [*known[: stars[0]], middle, *known[stars[0] + rest :]]
        for index, target in enumerate(targets):
            if known is not None and len(known) == len(targets):
                self.assign(target.value, known[index])
            elif isinstance(value, Tensor) and not stars:
                self.assign(target.value, self.emit("slice", {"x": value, "index": Const(index)}))
            else:
                self.assign(target.value, self.element(value))

    def _same_length(self, value: Value, length: int) -> Value:
        """Of alternatives, the tuples of that length joined."""
        if not isinstance(value, OneOf):
            return value
        fitting = [c for c in value.choices if isinstance(c, Items) and len(c.items) == length]
        return self.either(fitting) if fitting else value

    def _store(self, target: cst.Subscript, value: Value) -> None:
        container = self.evaluate(target.value)
        index = self.index(target)
        if isinstance(container, Table):
            key = self.key(index)
            if key is None:
                self.mutate(container, replace(container, complete=False))
            else:
                self.mutate(container, replace(container, items={**container.items, key: value}))
        elif isinstance(container, Items):
            literal = index.literal
            if isinstance(literal, int) and -len(container.items) <= literal < len(container.items):
                items = list(container.items)
                items[literal] = value
                self.mutate(container, replace(container, items=tuple(items)))
            else:
                self.mutate(container, replace(container, items=(*container.items, value), complete=False))
        elif isinstance(container, Object):
            self.method(container, "__setitem__", [index, value], {})
        else:
            self.overwrite(container, index=index)
            if isinstance(container, Tensor) and type(target.value) is cst.Name:
                # For fixes: the name does not hold any more what was computed for it.
                self.frame.scope.history.append(
                    Binding(len(self.ops), target.value.value, Unknown(), self.frame.statement)
                )

    def _return(self, node: cst.Return) -> Flow:
        self.frame.returns.append(NONE if node.value is None else self.evaluate(node.value))
        return Flow.LEAVE

    def _raise(self, node: cst.Raise) -> Flow:
        return Flow.LEAVE

    def _assert(self, node: cst.Assert) -> Flow:
        self.evaluate(node.test)
        self.refine(node.test, True)
        return Flow.NEXT

    def _delete(self, node: cst.Del) -> Flow:
        if isinstance(node.target, cst.Subscript):
            container = self.evaluate(node.target.value)
            if isinstance(container, Table):
                key = self.key(self.index(node.target))
                rest = {name: item for name, item in container.items.items() if name != key}
                self.mutate(container, replace(container, items=rest, complete=key is not None))
        return Flow.NEXT

    def _global(self, node: cst.Global) -> Flow:
        scope = self.frame.scope
        while scope.parent is not None:
            scope = scope.parent
        for item in node.names:
            self.frame.outer_names[item.name.value] = scope
        return Flow.NEXT

    def _nonlocal(self, node: cst.Nonlocal) -> Flow:
        for item in node.names:
            scope = self.frame.scope.parent
            while scope is not None and item.name.value not in scope.names:
                scope = scope.parent
            if scope is not None:
                self.frame.outer_names[item.name.value] = scope
        return Flow.NEXT

    def _import(self, node: cst.Import) -> Flow:
        self.import_modules(node)
        return Flow.NEXT

    def _import_from(self, node: cst.ImportFrom) -> Flow:
        self.import_names(node)
        return Flow.NEXT

    # Definitions.

    def function(self, node: cst.FunctionDef | cst.Lambda) -> Function:
        """A function value: defaults are evaluated now, the body when it is called."""
        defaults: dict[str, Value] = {}
        params = node.params
        for param in (*params.posonly_params, *params.params, *params.kwonly_params):
            if param.default is not None:
                defaults[param.name.value] = self.evaluate(param.default)
        self.frame.scope.captured = True
        function = Function(node, self.frame.scope.source, self.frame.scope, defaults)
        self.defined(function)
        return function

    def _function(self, node: cst.FunctionDef) -> Flow:
        value: Value = self.function(node)
        for decorator in reversed(node.decorators):
            value = self._decorated(decorator, value)
        self.bind(node.name.value, value)
        return Flow.NEXT

    def _decorated(self, decorator: cst.Decorator, value: Value) -> Value:
        wrapper = self.evaluate(decorator.decorator)
        if isinstance(wrapper, Symbol) and isinstance(value, Function):
            kind = wrapper.name.rpartition(".")[2]
            if kind in ("property", "staticmethod", "classmethod", "cached_property", "lazy_property"):
                kind = "property" if kind.endswith("property") else kind
                return replace(value, kind=kind)
        if isinstance(wrapper, (Function, Class, Object, Symbol)):
            result = self.call(wrapper, [value], {})
            return value if isinstance(result, Unknown) else result
        # A property's setter leaves the property.
        if isinstance(decorator.decorator, cst.Attribute) and decorator.decorator.attr.value in (
            "setter",
            "deleter",
        ):
            return self.evaluate(decorator.decorator.value)
        return value

    def defined(self, value: Function | Class) -> None:
        """Take note of a function or class, to be read later if nothing calls it."""

    def _class(self, node: cst.ClassDef) -> Flow:
        bases = tuple(self.evaluate(base.value) for base in node.bases)
        frame = self.frame
        outer = frame.scope
        scope = Scope(node, outer.source, outer)
        frame.scope = scope
        try:
            self.execute(node.body.body)
        finally:
            frame.scope = outer
            frame.statement = node
        value = Class(node.name.value, node, outer.source, bases, scope.names)
        self.defined(value)
        self.bind(node.name.value, value)
        return Flow.NEXT

    # Compound statements.

    def _if(self, node: cst.If) -> Flow:
        # A chain of elifs is walked in a loop: each test starts where the ones before failed.
        states: list[tuple[Flow, Changes, Value]] = []
        marks: list[int] = []
        current: cst.If | cst.Else | None = node
        while type(current) is cst.If:
            self.frame.statement = current
            test = self.evaluate(current.test)
            known = self.decided(test)
            if known is False:
                current = current.orelse
                continue
            if known is True:
                break
            mark = self.fork()
            self.refine(current.test, True)
            flow = self.execute(current.body.body)
            states.append((flow, self.rewind(mark), test))
            marks.append(self.fork())
            self.refine(current.test, False)
            current = current.orelse
        flow_out = Flow.NEXT if current is None else self.execute(current.body.body)
        while marks:
            otherwise = self.rewind(marks.pop())
            flow, changes, test = states.pop()
            flow_out = self._meet(flow, changes, flow_out, otherwise, test)
        return flow_out

    def _meet(
        self, flow: Flow, changes: Changes, other_flow: Flow, other: Changes, test: Value | None = None
    ) -> Flow:
        """Go on after two branches; what a branch that leaves has written is not seen below."""
        if flow is Flow.NEXT and other_flow is Flow.NEXT:
            self.merge([changes, other], test)
            return Flow.NEXT
        if flow is Flow.NEXT or other_flow is Flow.NEXT:
            self.merge([changes if flow is Flow.NEXT else other])
            return Flow.NEXT
        self.merge([changes, other])
        return flow

    def _for(self, node: cst.For) -> Flow:
        iterable = self.evaluate(node.iter)
        known = self.elements(iterable)
        orelse = node.orelse.body.body if node.orelse is not None else ()

        def turn(element: Value) -> None:
            self.frame.statement = node
            self.assign(node.target, element)

        if known is not None and len(known) <= MAX_UNROLL:
            return self.unrolled(node.body.body, [partial(turn, element) for element in known], orelse)
        element = self.element(iterable)
        return self.repeated(node.body.body, lambda: turn(element), orelse)

    def _while(self, node: cst.While) -> Flow:
        known = truth(self.evaluate(node.test))
        orelse = node.orelse.body.body if node.orelse is not None else ()
        if known is False:
            return self.execute(orelse)

        def turn() -> None:
            self.frame.statement = node
            self.evaluate(node.test)
            self.refine(node.test, True)

        endless = isinstance(node.test, cst.Integer) or _is_true(node.test)
        return self.repeated(node.body.body, turn, orelse, endless=endless)

    def _try(self, node: cst.Try | cst.TryStar) -> Flow:
        mark = self.fork()
        flow = self.execute(node.body.body)
        if flow is Flow.NEXT and node.orelse is not None:
            flow = self.execute(node.orelse.body.body)
        changes = self.rewind(mark)
        outcome = (flow, changes)
        for handler in node.handlers:
            mark = self.fork()
            self.merge([changes, {}])
            if handler.name is not None and isinstance(handler.name.name, cst.Name):
                self.bind(handler.name.name.value, Unknown())
            handler_flow = self.execute(handler.body.body)
            handled = self.rewind(mark)
            mark = self.fork()
            joined = self._meet(*outcome, handler_flow, handled)
            outcome = (joined, self.rewind(mark))
        self.merge([outcome[1]])
        if node.finalbody is not None:
            last = self.execute(node.finalbody.body.body)
            if last is not Flow.NEXT:
                return last
        return outcome[0]

    def _with(self, node: cst.With) -> Flow:
        for item in node.items:
            value = self.evaluate(item.item)
            if isinstance(value, Object) and value.cls is None and "element" in value.attrs:
                value = value.attrs["element"]  # a generator under `contextmanager`
            elif isinstance(value, Object) and value.cls is not None:
                entered = self.method(value, "__enter__", [], {})
                value = value if isinstance(entered, Unknown) else entered
            if item.asname is not None:
                self.assign(item.asname.name, value)
            if isinstance(value, Object) and value.kind == "unrecorded":
                return self._unrecorded(node.body.body)
        return self.execute(node.body.body)

    def _unrecorded(self, body: Sequence[cst.BaseStatement | cst.BaseSmallStatement]) -> Flow:
        """A block that no tape watches: no gradient goes into it."""
        mark = self.fork()
        flow = self.execute(body)
        for names, key, value in self.rewind(mark).values():
            if value is not None:
                stopped = isinstance(value, Tensor)
                self.write(names, key, self.emit("stop_gradient", {"x": value}) if stopped else value)
        return flow

    def _match(self, node: cst.Match) -> Flow:
        subject = self.evaluate(node.subject)
        states: list[tuple[Flow, Changes]] = []
        matched: bool | None = False
        for case in node.cases:
            mark = self.fork()
            matched = self.matches(case.pattern, subject)
            if case.guard is not None:
                guarded = truth(self.evaluate(case.guard))
                if matched is not False:
                    matched = matched if guarded else guarded
                self.refine(case.guard, True)
            flow = Flow.NEXT if matched is False else self.execute(case.body.body)
            changes = self.rewind(mark)
            if matched is not False:
                states.append((flow, changes))
            if matched:
                break
        if not matched:
            states.append((Flow.NEXT, {}))
        outcome = states.pop()
        for other in reversed(states):
            mark = self.fork()
            outcome = (self._meet(*other, *outcome), self.rewind(mark))
        self.merge([outcome[1]])
        return outcome[0]


_STATEMENTS: dict[type[cst.CSTNode], Callable[..., Flow]] = {
    cst.SimpleStatementLine: Statements._line,
    cst.FunctionDef: Statements._function,
    cst.ClassDef: Statements._class,
    cst.If: Statements._if,
    cst.For: Statements._for,
    cst.While: Statements._while,
    cst.Try: Statements._try,
    cst.TryStar: Statements._try,
    cst.With: Statements._with,
    cst.Match: Statements._match,
}
_SIMPLE: dict[type[cst.CSTNode], Callable[..., Flow]] = {
    cst.Expr: Statements._expr,
    cst.Assign: Statements._assign,
    cst.AnnAssign: Statements._annotated,
    cst.AugAssign: Statements._augmented,
    cst.Return: Statements._return,
    cst.Raise: Statements._raise,
    cst.Assert: Statements._assert,
    cst.Break: Statements._break,
    cst.Continue: Statements._continue,
    cst.Del: Statements._delete,
    cst.Global: Statements._global,
    cst.Nonlocal: Statements._nonlocal,
    cst.Import: Statements._import,
    cst.ImportFrom: Statements._import_from,
}
_STATEMENTS.update(_SIMPLE)  # `if x: return` has small statements as its block


def _is_true(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "True"
