"""What a change did to the names of a program: compares two texts scope by scope."""

from __future__ import annotations

import ast
import builtins
import io
import symtable
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

#: The names of nested functions and classes, each with its number among those of the same name.
Path = tuple[tuple[str, int], ...]
#: Names that every module has.
_ALWAYS = {*dir(builtins), "__file__", "__name__", "__doc__", "__spec__", "__path__", "__class__"}


@dataclass(frozen=True, slots=True)
class Scope:
    """A module, class or function: its parameters, what it defines, and all names in it."""

    kind: str
    parameters: tuple[str, ...]
    defined: frozenset[str]
    imported: frozenset[str]
    mentioned: frozenset[str]


def compiles(text: str, name: str) -> str | None:
    """Why a text is no program, None where it is one; what Python only warns of counts as wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        try:
            compile(text, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
    return None


def scopes(text: str, name: str) -> dict[Path, Scope]:
    """Every module, class and function of a program."""
    found: dict[Path, Scope] = {}
    todo: list[tuple[Path, symtable.SymbolTable]] = [((), symtable.symtable(text, name, "exec"))]
    while todo:
        path, table = todo.pop()
        found[path] = _scope(table)
        seen: Counter[str] = Counter()
        for child in _named(table):
            seen[child.get_name()] += 1
            todo.append(((*path, (child.get_name(), seen[child.get_name()])), child))
    return found


def _named(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """The functions and classes right inside; a lambda or comprehension is a part of where it stands."""
    for child in table.get_children():
        if child.get_name() in ("lambda", "listcomp", "setcomp", "dictcomp", "genexpr"):
            yield from _named(child)
        else:
            yield child


def _scope(table: symtable.SymbolTable) -> Scope:
    symbols = table.get_symbols()
    defined = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}
    parameters = table.get_parameters() if isinstance(table, symtable.Function) else ()
    defined.update(parameters)
    return Scope(
        str(table.get_type()),
        tuple(parameters),
        frozenset(defined),
        frozenset(s.get_name() for s in symbols if s.is_imported()),
        frozenset(_mentioned(table)),
    )


def _mentioned(table: symtable.SymbolTable) -> Iterator[str]:
    yield from table.get_identifiers()
    for child in table.get_children():
        yield from _mentioned(child)


def unbound(text: str, name: str) -> set[str]:
    """Names that a program reads and that nothing in it binds."""
    todo = [symtable.symtable(text, name, "exec")]
    module = {s.get_name() for s in todo[0].get_symbols() if s.is_assigned() or s.is_imported()}
    found: set[str] = set()
    for table in todo:
        todo += table.get_children()
        for symbol in table.get_symbols():
            own = table.get_type() == "module" and not (symbol.is_assigned() or symbol.is_imported())
            if symbol.is_referenced() and (symbol.is_global() or own):
                found.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                module.add(symbol.get_name())
    return found - module - _ALWAYS


def stored(text: str) -> tuple[Counter[str], Counter[str]]:
    """How often each name is written, and how often with what is not computed from itself (`x = x / 255`)."""
    counts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts[node.id] += 1
        elif (
            isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        ):
            name = node.targets[0].id
            own[name] += any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node.value))
    return counts, counts - own


def _read_first(text: str) -> set[str]:
    """Names that stand first in a place that reads them."""
    places: dict[str, tuple[int, int, bool]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            place = (node.lineno, node.col_offset, isinstance(node.ctx, ast.Load))
            places[node.id] = min(place, places.get(node.id, place))
    return {name for name, (_, _, read) in places.items() if read}


def comments(text: str) -> Counter[str]:
    """Every comment, without the spaces at its end."""
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    return Counter(token.string.rstrip() for token in tokens if token.type == tokenize.COMMENT)


def harm(before: str, after: str, name: str) -> Iterator[str]:
    """What a change did to a program that it may not do. Both texts are Python."""
    old, new = scopes(before, name), scopes(after, name)
    for path in old.keys() ^ new.keys():
        yield f"{'lost' if path in old else 'new'} {'.'.join(part for part, _ in path)}"
    names: set[str] = set()
    imported: set[str] = set()
    for path in old.keys() & new.keys():
        a, b = old[path], new[path]
        where = ".".join(part for part, _ in path) or "the module"
        if a.parameters != b.parameters:
            yield f"other parameters of {where}"
        lost = a.defined - b.defined - (a.imported if a.kind == "module" else frozenset())
        if a.kind != "function" and lost:
            yield f"{where} does not define {sorted(lost)}"
        if lost & b.mentioned:
            yield f"{where} reads {sorted(lost & b.mentioned)}, which it no longer defines"
        made = b.defined - a.defined
        names |= made
        imported |= made & b.imported
        if made & a.mentioned:
            yield f"{where} defines {sorted(made & a.mentioned)}, which meant something else in it"
    if early := _read_first(after) & (names - imported):
        yield f"{sorted(early)} is read above where it is made"
    if free := unbound(after, name) - unbound(before, name):
        yield f"nothing binds {sorted(free)}"
    more = [set(now - then) for then, now in zip(stored(before), stored(after), strict=True)]
    again = set.intersection(*more) - names
    if again:
        yield f"{sorted(again)} is written once more"
    if gone := comments(before) - comments(after):
        yield f"lost the comments {sorted(gone)}"


def imports_lost(before: str, after: str, name: str) -> frozenset[str]:
    """Names that the module no longer imports."""
    return scopes(before, name)[()].imported - scopes(after, name)[()].defined
