"""The functions and attributes of a file, and everything in it that calls or sets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import libcst as cst

from tflint_nan.expression import names_in, only_assignment
from tflint_nan.graph import Graph
from tflint_nan.places import children, within
from tflint_nan.source import Source
from tflint_nan.value import Scope, Value

#: What a program does that is run, and not only imported.
_RUNS: Final = ("minimize", "gradients", "apply_gradients", "compile", "fit", "feed")
#: Decorators under which a function still returns what it returns.
_TRANSPARENT: Final = frozenset({"function", "staticmethod", "jit"})
#: Calls of one function that a fix rewrites at most: every fix of the file rewrites them all.
_MOST_CALLS: Final = 16
#: Methods that Keras and PyTorch call themselves.
_HOOKS: Final = frozenset(
    {"call", "build", "forward", "train_step", "test_step", "predict_step", "compute_loss", "result"}
)
#: What holds names that are bound.
_BINDERS: Final = (cst.AssignTarget, cst.For, cst.CompFor, cst.AsName, cst.NameItem, cst.Param)
_BINDERS_OF_TARGETS: Final = (cst.AugAssign, cst.AnnAssign, cst.NamedExpr, cst.Del)
_STACKED: Final = (cst.Tuple, cst.List, cst.Element, cst.StarredElement)


@lru_cache(maxsize=4)
def occurrences(source: Source) -> Mapping[str, tuple[cst.Name, ...]]:
    """Every name that is written in a file, as variable, attribute, keyword or parameter, with its places."""
    found: dict[str, list[cst.Name]] = {}
    for node in within(source.tree):
        if isinstance(node, cst.Name):
            found.setdefault(node.value, []).append(node)
    return {name: tuple(nodes) for name, nodes in found.items()}


@lru_cache(maxsize=2)
def files(graph: Graph) -> frozenset[Source]:
    """The files that a program's ops are of."""
    return frozenset(op.source for op in graph.ops())


def scope_around(
    graph: Graph, source: Source, call: cst.Call, calls: Sequence[tuple[Source, cst.CSTNode]]
) -> Scope:
    """The variables of the function that `call` stands in, as it was reached through `calls`.

    A function that computes nothing itself is in no op: of its variables nothing is known.
    """
    path = (source, *(id(node) for _, node in calls))
    found = _scopes(graph).get(path)
    if found is None:
        kinds = (cst.FunctionDef, cst.Lambda, cst.Module)
        node = next(node for node in ancestors(source, call) if isinstance(node, kinds))
        found = _scopes(graph)[path] = Scope(node, source, None)
    return found


@lru_cache(maxsize=2)
def _scopes(graph: Graph) -> dict[tuple[object, ...], Scope]:
    """A file, and the calls through which a function of it was reached, by identity -> its variables then."""
    found: dict[tuple[object, ...], Scope] = {}
    for op in graph.ops():
        scope = _of_function(op.scope)
        found.setdefault((scope.source, *(id(node) for _, node in op.calls)), scope)
        while scope.parent is not None:
            scope = scope.parent
        found.setdefault((scope.source,), scope)
    return found


def _of_function(scope: Scope) -> Scope:
    """The variables of the function (or module) that a scope is part of."""
    while scope.parent is not None and not isinstance(scope.node, (cst.FunctionDef, cst.Lambda)):
        scope = scope.parent
    return scope


@lru_cache(maxsize=2)
def _entered(graph: Graph) -> frozenset[tuple[int, int]]:
    """Which call entered which function, by identity; not those that are read as if something called them."""
    found: dict[tuple[int, int], None] = {}
    for op in graph.ops():
        if op.calls and isinstance(op.calls[-1][1], cst.Call):
            found[id(op.calls[-1][1]), id(_of_function(op.scope).node)] = None
    return frozenset(found)


def known_calls(
    graph: Graph,
    source: Source,
    function: cst.FunctionDef,
    outside: Sequence[tuple[Source, cst.Call]] | None = None,
) -> list[tuple[Source, cst.Call]] | None:
    """Every call of a function; None where it may be called, passed on or replaced where nobody sees it.

    Args:
        graph: the program.
        source: the function's file.
        function: a function or method.
        outside: the calls in other files, None where nobody has looked for them.
    """
    name = function.name
    if function.asynchronous is not None:
        return None
    if outside is None and not _is_local(graph, source, function):
        return None
    if is_hidden(source, name.value):
        return None
    if any(_last_word(decorator.decorator) not in _TRANSPARENT for decorator in function.decorators):
        return None
    if any(isinstance(node, cst.Yield) for node in _own(function)) or _is_hook(source, function):
        return None
    calls = list(outside or ())
    for node in occurrences(source).get(name.value, ()):
        if node is name:
            continue
        reference: cst.CSTNode = node
        parent = source.parent(node)
        if isinstance(parent, cst.Arg) and parent.keyword is node:
            continue
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            if not isinstance(source.parent(function), cst.IndentedBlock) or not _is_method(source, function):
                continue  # another thing's attribute of this name
            reference, parent = parent, source.parent(parent)
            if (id(parent), id(function)) not in _entered(graph):
                return None  # some other object's method, perhaps
        if not isinstance(parent, cst.Call) or parent.func is not reference:
            return None
        if holds(function, parent):
            return None  # recursion
        calls.append((source, parent))
    # Keras calls `call`, `map` calls what it is given: such a call does not spell the name.
    entering = {call for call, entered in _entered(graph) if entered == id(function)}
    if len(calls) > _MOST_CALLS or not entering <= {id(call) for _, call in calls}:
        return None
    return calls or None


def is_hidden(source: Source, name: str) -> bool:
    """Whether a name stands in a line that is no Python 3: in a notebook's magic, a statement of Python 2."""
    return any(name in line for line in source.masked_lines)


def _is_hook(source: Source, function: cst.FunctionDef) -> bool:
    """Whether a library calls the method: one of these names, in a class with a base."""
    around = next((node for node in ancestors(source, function) if isinstance(node, cst.ClassDef)), None)
    return around is not None and bool(around.bases) and function.name.value in _HOOKS


def _is_method(source: Source, function: cst.FunctionDef) -> bool:
    block = source.parent(function)
    return block is not None and isinstance(source.parent(block), cst.ClassDef)


def _is_local(graph: Graph, source: Source, function: cst.FunctionDef) -> bool:
    """Whether nothing outside of the file can know the function."""
    name = function.name.value
    if name.startswith("__"):
        return False
    around = list(ancestors(source, function))[1:]
    if any(isinstance(node, cst.FunctionDef) for node in around):
        return True
    private = any(isinstance(node, cst.ClassDef) and node.name.value.startswith("_") for node in around)
    return name.startswith("_") or private or is_script(graph, source)


@lru_cache(maxsize=2)
def is_script(graph: Graph, source: Source) -> bool:
    """Whether a file is run, not imported: it trains or has a main part, and no file beside it names it."""
    if source.is_notebook:
        return True
    runs = any(
        op.source is source and (not op.calls or isinstance(op.calls[0][1], cst.Call))
        for op in graph.ops(*_RUNS)
    )
    main = any(
        isinstance(statement, cst.If) and "__name__" in names_in(statement.test)
        for statement in source.tree.body
    )
    return (runs or main) and "__all__" not in occurrences(source) and not graph.is_imported(source)


# Attributes.


def is_set_once(sources: Iterable[Source], attribute: str) -> bool:
    """Whether one place of these files sets attributes of this name."""
    found = [node for s in sources for node in occurrences(s).get(attribute, ()) if _is_stored(s, node)]
    return len(found) == 1


def _is_stored(source: Source, node: cst.Name) -> bool:
    """Whether a name is that of an attribute that is set there."""
    parent = source.parent(node)
    return isinstance(parent, cst.Attribute) and parent.attr is node and is_bound(source, parent)


def stores(source: Source, attr: cst.Name) -> Iterator[cst.Name]:
    """Where attributes of this name are set, in the same class or outside of any."""
    own = _class_of(source, attr)
    for node in occurrences(source).get(attr.value, ()):
        if _is_stored(source, node):
            around = _class_of(source, node)
            if around is own or around is None:
                yield node


def is_member(source: Source, node: cst.Name) -> bool:
    """Whether a name is that of an attribute, or stands in the body of a class."""
    parent = source.parent(node)
    if isinstance(parent, cst.Attribute) and parent.attr is node:
        return True
    around = [n for n in ancestors(source, node) if isinstance(n, (cst.FunctionDef, cst.ClassDef))]
    if around and isinstance(around[0], cst.FunctionDef) and around[0].name is node:
        around = around[1:]
    return bool(around) and isinstance(around[0], cst.ClassDef)


def _class_of(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    return next((n for n in ancestors(source, node) if isinstance(n, cst.ClassDef)), None)


# Parts of the tree.


def ancestors(source: Source, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and what it stands in, the innermost first."""
    current: cst.CSTNode | None = node
    while current is not None:
        yield current
        current = source.parent(current)


def _own(function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """What stands in a function and not in one inside of it."""
    todo: list[cst.CSTNode] = [function.body]
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            todo.extend(reversed(children(node)))


def only_return(source: Source, function: cst.FunctionDef) -> cst.BaseExpression | None:
    """What a function returns, where it does so at one place that is always reached."""
    returns = [node for node in _own(function) if isinstance(node, cst.Return)]
    if len(returns) != 1:
        return None
    for node in ancestors(source, returns[0]):
        if node is function:
            return returns[0].value
        if isinstance(node, cst.BaseCompoundStatement) and not isinstance(node, cst.With):
            return None
    return None


def statement_around(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    """The statement that a node stands in."""
    kinds = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
    return next((n for n in ancestors(source, node) if isinstance(n, kinds)), None)


def only_target(statement: cst.CSTNode | None) -> cst.BaseExpression | None:
    """What a statement assigns to, where that is one target."""
    assign = only_assignment(statement)
    return None if assign is None else assign.targets[0].target


def assigned_value(statement: cst.CSTNode | None) -> cst.BaseExpression | None:
    """What a statement assigns, where it has one target."""
    assign = only_assignment(statement)
    return None if assign is None else assign.value


def holds(node: cst.CSTNode, part: cst.CSTNode) -> bool:
    """Whether `part` is in `node`."""
    return any(inner is part for inner in within(node))


def element_target(
    statement: cst.CSTNode | None, node: cst.CSTNode, index: int | None
) -> cst.BaseExpression | None:
    """What an element of a tuple is assigned to."""
    target = only_target(statement)
    if (
        assigned_value(statement) is not node
        or not isinstance(target, (cst.Tuple, cst.List))
        or index is None
    ):
        return None
    elements = target.elements
    if index >= len(elements) or any(isinstance(element, cst.StarredElement) for element in elements):
        return None
    found = elements[index].value
    return found if isinstance(found, (cst.Name, cst.Attribute)) else None


def literal_index(node: cst.Subscript) -> int | None:
    """The number in `x[1]`; None for anything else."""
    only = node.slice[0].slice if len(node.slice) == 1 else None
    value = only.value if isinstance(only, cst.Index) else None
    return int(value.value) if isinstance(value, cst.Integer) and value.value.isdigit() else None


def _last_word(node: cst.BaseExpression) -> str:
    called = node.func if isinstance(node, cst.Call) else node
    if isinstance(called, cst.Attribute):
        return called.attr.value
    return called.value if isinstance(called, cst.Name) else ""


def is_bound(source: Source, node: cst.CSTNode) -> bool:
    """Whether a name (or attribute) is written to where it stands."""
    child, parent = node, source.parent(node)
    while isinstance(parent, _STACKED):
        child, parent = parent, source.parent(parent)
    if isinstance(parent, (cst.For, cst.CompFor)):
        return parent.target is child
    if isinstance(parent, cst.Param):
        return parent.name is child
    if isinstance(parent, _BINDERS_OF_TARGETS):
        return getattr(parent, "target", child) is child
    return isinstance(parent, _BINDERS)


def bindings_in(source: Source, function: cst.FunctionDef, name: str) -> list[cst.Name]:
    """Where a name is bound in a function, those inside of it included."""
    found = []
    for node in within(function):
        if isinstance(node, cst.Name) and node.value == name and is_bound(source, node):
            found.append(node)
    return found


def parameter_of(function: cst.FunctionDef, scope: Scope, value: Value) -> str | None:
    """The one plain parameter that was given `value`."""
    names = [param.name.value for param in function.params.params]
    held = [name for name in names if bound_value(scope, name) is value]
    return held[0] if len(held) == 1 else None


def bound_value(scope: Scope, name: str) -> Value | None:
    """What a name of a scope was first bound to: a parameter's argument."""
    return next((binding.value for binding in scope.history if binding.name == name), None)


def argument_of(source: Source, call: cst.Call, function: cst.FunctionDef, name: str) -> cst.Arg | None:
    """The argument of a call that a parameter is given."""
    names = [param.name.value for param in function.params.params]
    static = any(_last_word(decorator.decorator) == "staticmethod" for decorator in function.decorators)
    if _is_method(source, function) and not static and isinstance(call.func, cst.Attribute):
        names = names[1:]
    if function.params.posonly_params or any(arg.star for arg in call.args):
        return None
    for position, arg in enumerate(call.args):
        if arg.keyword is not None and arg.keyword.value == name:
            return arg
        if arg.keyword is None and position < len(names) and names[position] == name:
            return arg
    return None
