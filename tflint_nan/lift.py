"""Logits for a place in another function: a fix goes to where its activation is computed.

A softmax whose log is taken somewhere else is moved, not doubled: the function that returned it returns the
logits, and each of its calls applies the softmax; the parameter that held it takes the logits; beside the
attribute that holds it stands another with the logits. Every step keeps what every other reader sees, so it
is taken only where all readers are known. Of what is returned these may be in other files of the project.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import takewhile

import libcst as cst

from tflint_nan.activated import Activated, activated, stays
from tflint_nan.callers import (
    ancestors,
    argument_of,
    assigned_value,
    bindings_in,
    bound_value,
    element_target,
    files,
    is_member,
    is_set_once,
    known_calls,
    literal_index,
    occurrences,
    only_return,
    only_target,
    parameter_of,
    scope_around,
    statement_around,
    stores,
)
from tflint_nan.graph import Graph
from tflint_nan.importers import outside_calls, use_elsewhere
from tflint_nan.naming import numbered
from tflint_nan.rewrite import Rewriter
from tflint_nan.source import Source
from tflint_nan.value import Binding, Op, Scope, sources


def lift(r: Rewriter, squashed: Op, place: Op) -> str | None:
    """Text that denotes the logits of an activation where `place` stands; None where nothing may be moved.

    Args:
        r: gets the edits that this takes; none where the answer is None.
        squashed: a softmax or sigmoid of a library.
        place: an op that takes its output, or stands where it can be read.
    """
    trial = r.trial()
    text = _lift(trial, squashed, place)
    if text is not None:
        r.adopt(trial)
    return text


def _lift(r: Rewriter, squashed: Op, place: Op) -> str | None:
    on_the_way = {squashed.source, place.source, *(source for source, _ in (*squashed.calls, *place.calls))}
    kept = _kept(r, squashed, place, on_the_way)
    if kept is not None:
        return kept
    across = len(on_the_way) > 1
    if across and (r.project is None or any(source.is_notebook for source in on_the_way)):
        return None
    shared = len(
        list(takewhile(lambda pair: pair[0][1] is pair[1][1], zip(squashed.calls, place.calls, strict=False)))
    )
    trial = r.trial()
    text = _out(trial, squashed, place, shared)
    if text is not None:
        r.adopt(trial)
    elif len(place.calls) > shared:
        text = _through_parameter(r, squashed, place)
    return text


def _out(r: Rewriter, squashed: Op, place: Op, shared: int) -> str | None:
    """Through what is returned, as far as `place`, or to where an attribute keeps it for `place`.

    The first `shared` calls lead to both.
    """
    found = activated(r.at(squashed) if squashed.source is not place.source else r, squashed)
    for number in range(len(squashed.calls), -1, -1):
        if found is None:
            return None
        beside = _beside(r, found, squashed, place)
        if beside is not None:
            return beside
        if number == shared:
            return _named(r, found, squashed, place) if len(place.calls) == shared else None
        source, call = squashed.calls[number - 1]
        if not isinstance(call, cst.Call):
            return None
        scope = scope_around(r.graph, source, call, squashed.calls[: number - 1])
        found = _returned(r, found, call, scope)
    return None


# Ways out of a function and into one.


def _returned(r: Rewriter, found: Activated, call: cst.Call, scope: Scope) -> Activated | None:
    """Have the function around `found` return logits; the activation goes to its calls.

    `call` is the one that the value comes out of, in `scope`; all others are rewritten here.
    """
    function = found.scope.node
    if not isinstance(function, cst.FunctionDef):
        return None
    source = scope.source
    element = r.lifted.get(function)
    if element is None:
        calls = _calls(r, found.op.source, function, source)
        if calls is None or not any(known is call for _, known in calls):
            return None
        if not stays(found, {found.op.source, *(file for file, _ in calls)}):
            return None
        element = _give_back(r, found.op.source, function, found)
        if element is None:
            return None
        r.lifted[function] = element
        for file, other in calls:
            r.pending[other] = partial(_apply_at, source=file, call=other, found=found, index=element)
    r.pending.pop(call, None)
    node: cst.BaseExpression = call
    around = source.parent(call)
    index = None if element < 0 else element
    if isinstance(around, cst.Subscript) and around.value is call and literal_index(around) == index:
        node, index = around, None
    statement = statement_around(source, call)
    op = replace(found.op, source=source, node=node, statement=statement, scope=scope, nodes={})
    return replace(found, op=op, logits=source.code(node), index=index)


def _calls(
    r: Rewriter, source: Source, function: cst.FunctionDef, caller: Source
) -> list[tuple[Source, cst.Call]] | None:
    """Every call of a function of `source`, in its own file and in the others of the project.

    None where there may be more. `caller` is a file with a call.
    """
    calls = known_calls(r.graph, source, function)
    if calls is not None or r.project is None:
        return calls
    outside = outside_calls(r.project, function, source, {caller, *files(r.graph)})
    if outside is None or not outside.calls:
        return None
    r.is_uncertain |= not outside.certain
    return known_calls(r.graph, source, function, outside.calls)


def _give_back(r: Rewriter, source: Source, function: cst.FunctionDef, found: Activated) -> int | None:
    """Return the logits in the place of the activation: which element they are, -1 for the whole."""
    value = only_return(source, function)
    if value is None:
        return None
    parts = [element.value for element in value.elements] if isinstance(value, cst.Tuple) else [value]
    name = _assigned_name(found) if found.index is None else None
    matching = [
        number
        for number, part in enumerate(parts)
        if part is found.node or (name is not None and isinstance(part, cst.Name) and part.value == name)
    ]
    if len(matching) != 1 or (found.index is not None and isinstance(value, cst.Tuple)):
        return None
    part = parts[matching[0]]
    r = r.at(replace(found.op, node=value, statement=statement_around(source, value), nodes={}))
    if part is found.node:
        if r.text(part) != found.logits:
            r.replace(part, "{logits}", logits=found.logits)
    else:
        if name is None or len(bindings_in(source, function, name)) != 1:
            return None
        given = r.name_part(found.node, found.op, found.logits, found.around)
        if given is None:
            return None
        r.replace(part, "{given}", given=given)
    if found.index is not None:
        return found.index
    return matching[0] if isinstance(value, cst.Tuple) else -1


def _apply_at(r: Rewriter, source: Source, call: cst.Call, found: Activated, index: int) -> bool:
    """Apply the activation where another call takes what is returned."""
    r = r.at(replace(found.op, source=source, node=call, statement=statement_around(source, call), nodes={}))
    if index < 0:
        text = found.applied(r.text(call))
        if text is not None:
            r.replace(call, "{text}", text=text)
        return text is not None
    statement, parent = statement_around(source, call), source.parent(call)
    if isinstance(parent, cst.Subscript) and parent.value is call:
        element = literal_index(parent)
        if element is None:
            return False
        text = found.applied(r.text(parent)) if element == index else ""
        if text:
            r.replace(parent, "{text}", text=text)
        return text is not None
    target = element_target(statement, call, index)
    if target is None:
        return False
    written = r.text(target)
    if set(written) != {"_"}:
        given = r.free_name("logits", call)
        text = found.applied(given)
        if text is None:
            return False
        r.replace_target(statement, target, given)
        r.insert_after(statement, f"{written} = {text}")
    return True


def _through_parameter(r: Rewriter, squashed: Op, place: Op) -> str | None:
    """Have the parameter that holds the activation's output at `place` take the logits."""
    function, source = place.scope.node, place.source
    if not isinstance(function, cst.FunctionDef):
        return None
    name = parameter_of(function, place.scope, squashed.value)
    found = activated(r if squashed.source is source else r.at(squashed), squashed)
    calls = _calls(r, source, function, place.calls[-1][0])
    if name is None or found is None or calls is None or not stays(found, {source, squashed.source}):
        return None
    if len(bindings_in(source, function, name)) != 1:
        return None
    there = r.at(place)
    new = there.free_name("logits")
    for caller, call in calls:
        if not _pass_logits(r, caller, call, function, name, new, squashed, place):
            return None
    param = next(param for param in function.params.params if param.name.value == name)
    if param.default is not None:
        return None
    text = found.applied(new)
    if text is None:
        return None
    there.replace(param.name, new)
    there.keep_name(name, f"{name} = {text}", function, None)
    r.give_name(squashed.arg("x"), place.scope, new)
    return new


def _pass_logits(
    r: Rewriter,
    caller: Source,
    call: cst.Call,
    function: cst.FunctionDef,
    name: str,
    new: str,
    squashed: Op,
    place: Op,
) -> bool:
    """Pass the logits in the place of the activation's output in one call."""
    given = argument_of(place.source, call, function, name)
    makers: dict[int, tuple[Op, Op]] = {}
    for op in r.graph.ops(place.name):
        if op.node is place.node and op.calls and op.calls[-1][1] is call:
            value = bound_value(op.scope, name)
            made = None if value is None else value.op
            if made is None or made.value is not value or made.name != squashed.name:
                return False
            if made.arg("axis").literal != squashed.arg("axis").literal:
                return False
            makers.setdefault(id(made.node), (made, op))
    if given is None or len(makers) != 1:
        return False
    made, op = next(iter(makers.values()))
    scope = scope_around(r.graph, caller, call, op.calls[:-1])
    at = replace(
        op,
        source=caller,
        node=given.value,
        statement=statement_around(caller, call),
        scope=scope,
        calls=op.calls[:-1],
        nodes={},
    )
    there = r.at(at)
    text = logits_at(there, made, at)
    if text is None:
        return False
    there.replace(given.value, "{text}", text=text)
    if given.keyword is not None:
        there.replace(given.keyword, new)
    return True


def logits_at(r: Rewriter, squashed: Op, place: Op) -> str | None:
    """Text for the logits of `squashed` at `place`, where they surely belong together.

    In one activation of a function they do, and as attributes of one object; a variable of an outer scope may
    hold the logits of this caller only. From anywhere else they are fetched, see `lift`.
    """
    logits = squashed.arg("x")
    given = r.given_name(logits, place.scope)
    if given is not None or is_asked_for(r.graph, squashed):
        return given
    if squashed.scope is place.scope:
        if logits.op is None or logits.op.node is not squashed.node:
            text = r.spell(logits, "logits")
            if text is not None:
                r.spare(squashed.statement, squashed.scope)
                return text
    else:
        known = r.at(place).known_name(logits)
        bound = next((binding for binding in place.scope.history if binding.value is logits), None)
        if bound is not None and known in (None, bound.name) and set(bound.name) == {"_"}:
            return _unblanked(r, bound, place)
        if known is not None and ("." in known or bound is not None):
            return known
    return lift(r, squashed, place)


def is_asked_for(graph: Graph, op: Op) -> bool:
    """Whether a gradient by the output of `op` itself is taken: a loss must go on depending on it."""
    asked = (
        taker.arg("x" if taker.name == "watch" else "variables")
        for taker in graph.consumers(op)
        if taker.name in ("gradients", "minimize", "watch")
    )
    return any(made is op for value in asked for made in sources(value))


def _unblanked(r: Rewriter, bound: Binding, place: Op) -> str | None:
    """A name in the place of the `_` that logits are unpacked to."""
    target = only_target(bound.statement)
    if not isinstance(target, (cst.Tuple, cst.List)):
        return None
    unpacked = [other for other in place.scope.history if other.statement is bound.statement]
    names = [element.value for element in target.elements]
    if len(unpacked) != len(names) or not r.at(place).is_before(bound.statement):
        return None
    node = names[unpacked.index(bound)]
    if not isinstance(node, cst.Name) or node.value != bound.name:
        return None
    given = r.at(place).free_name("logits")
    r.replace_target(bound.statement, node, given)
    r.give_name(bound.value, place.scope, given)
    return given


# Beside an attribute.


def _kept(r: Rewriter, squashed: Op, place: Op, sources: set[Source]) -> str | None:
    """The attribute that keeps the logits where another of the same object keeps the activation's output.

    Each is set at one place only of these files.
    """
    here = r.at(place)
    for holder, attribute in here.attributes_of(squashed.arg("x")):
        for other, output in here.attributes_of(squashed.value):
            if other == holder and all(is_set_once(sources, name) for name in (attribute, output)):
                return f"{holder}.{attribute}"
    return None


def _beside(r: Rewriter, found: Activated, squashed: Op, place: Op) -> str | None:
    """The attribute for the logits beside the one that holds the activation's output."""
    source, statement = found.op.source, found.statement
    whole = assigned_value(statement) is found.node and found.index is None
    target = only_target(statement) if whole else element_target(statement, found.node, found.index)
    if not isinstance(target, cst.Attribute) or not isinstance(target.value, cst.Name):
        return None
    holder = r.at(place).holder(target.attr.value, squashed.value)
    if holder is None or "__slots__" in occurrences(source):
        return None
    if len(list(stores(source, target.attr))) != 1:
        return None
    taken = {given.partition(".")[2] for given in r.given_names()}
    name = next(
        name
        for name in numbered("logits")
        if name not in taken and not any(_has_member(file, name) for file in (source, place.source))
    )
    there = r.at(found.op)
    given = f"{there.text(target.value)}.{name}"
    text = found.applied(given)
    if text is None or (source is not place.source and not _is_new_elsewhere(r, target, name, source, place)):
        return None
    if whole:
        there.insert_before(statement, f"{given} = {found.logits}")
        there.replace(found.node, "{text}", text=text)
    else:
        there.replace_target(statement, target, given)
        there.insert_after(statement, f"{there.text(target)} = {text}")
    r.give_name(squashed.arg("x"), place.scope, f"{holder}.{name}")
    return f"{holder}.{name}"


def _has_member(source: Source, name: str) -> bool:
    return any(is_member(source, node) for node in occurrences(source).get(name, ()))


def _is_new_elsewhere(r: Rewriter, target: cst.Attribute, name: str, source: Source, place: Op) -> bool:
    """Whether no class of a third file, derived from the one that sets `target`, may have a member `name`."""
    around = next((n for n in ancestors(source, target) if isinstance(n, cst.ClassDef)), None)
    if around is None or r.project is None or any(True for _ in stores(place.source, target.attr)):
        return False
    used = use_elsewhere(r.project, [source, place.source], around.name.value, name)
    r.is_uncertain |= used is None
    return not used


# A name at the end of the way.


def _named(r: Rewriter, found: Activated, squashed: Op, place: Op) -> str | None:
    """A name for the logits in the function where `found` and `place` stand."""
    if found.scope is not place.scope:
        return None
    if found.index is None:
        given = r.at(place).name_part(found.node, found.op, found.logits, found.around)
    else:
        target = element_target(found.statement, found.node, found.index)
        if target is None or not r.at(place).is_before(found.statement):
            return None
        given, written = r.at(place).free_name("logits"), r.text(target)
        text = found.applied(given)
        if text is None:
            return None
        r.replace_target(found.statement, target, given)
        if isinstance(target, cst.Attribute):
            r.insert_after(found.statement, f"{written} = {text}")
        elif set(written) != {"_"}:
            r.keep_name(written, f"{written} = {text}", found.scope.node, found.statement)
    if given is not None:
        r.give_name(squashed.arg("x"), place.scope, given)
    return given


def _assigned_name(found: Activated) -> str | None:
    target = only_target(found.statement)
    whole = assigned_value(found.statement) is found.node
    return target.value if whole and isinstance(target, cst.Name) else None
