"""LibCST's nodes, made without layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

import libcst as cst

#: The fields that nodes are made of here, in this order; all others are layout, as LibCST has it by default.
FIELDS: dict[type[cst.CSTNode], str] = {
    cst.AnnAssign: "target annotation value",
    cst.Annotation: "annotation",
    cst.Arg: "value keyword star",
    cst.AsName: "name",
    cst.Assert: "test msg",
    cst.Assign: "targets value",
    cst.AssignTarget: "target",
    cst.Attribute: "value attr",
    cst.AugAssign: "target operator value",
    cst.Await: "expression",
    cst.BinaryOperation: "left operator right",
    cst.BooleanOperation: "left operator right",
    cst.Call: "func args",
    cst.ClassDef: "name body bases keywords decorators",
    cst.CompFor: "target iter ifs inner_for_in asynchronous",
    cst.CompIf: "test",
    cst.Comparison: "left comparisons",
    cst.ComparisonTarget: "operator comparator",
    cst.Decorator: "decorator",
    cst.Del: "target",
    cst.Dict: "elements",
    cst.DictComp: "key value for_in",
    cst.DictElement: "key value",
    cst.Element: "value",
    cst.Else: "body",
    cst.ExceptHandler: "body type name",
    cst.ExceptStarHandler: "body type name",
    cst.Expr: "value",
    cst.Finally: "body",
    cst.Float: "value",
    cst.For: "target iter body orelse asynchronous",
    cst.FormattedString: "parts",
    cst.FormattedStringExpression: "expression conversion format_spec",
    cst.FormattedStringText: "value",
    cst.From: "item",
    cst.FunctionDef: "name params body decorators returns asynchronous",
    cst.GeneratorExp: "elt for_in",
    cst.Global: "names",
    cst.If: "test body orelse",
    cst.IfExp: "test body orelse",
    cst.Imaginary: "value",
    cst.Import: "names",
    cst.ImportAlias: "name asname",
    cst.ImportFrom: "module names relative",
    cst.IndentedBlock: "body",
    cst.Index: "value star",
    cst.Integer: "value",
    cst.Lambda: "params body",
    cst.List: "elements",
    cst.ListComp: "elt for_in",
    cst.Module: "body",
    cst.Name: "value",
    cst.NameItem: "name",
    cst.NamedExpr: "target value",
    cst.Nonlocal: "names",
    cst.Param: "name annotation default star",
    cst.Parameters: "params star_arg kwonly_params star_kwarg posonly_params posonly_ind",
    cst.Raise: "exc cause",
    cst.Return: "value",
    cst.Set: "elements",
    cst.SetComp: "elt for_in",
    cst.SimpleStatementLine: "body",
    cst.SimpleStatementSuite: "body",
    cst.SimpleString: "value",
    cst.Slice: "lower upper step",
    cst.StarredDictElement: "value",
    cst.StarredElement: "value",
    cst.Subscript: "value slice",
    cst.SubscriptElement: "slice",
    cst.Try: "body handlers orelse finalbody",
    cst.TryStar: "body handlers orelse finalbody",
    cst.Tuple: "elements",
    cst.UnaryOperation: "operator expression",
    cst.While: "test body orelse",
    cst.With: "items body asynchronous",
    cst.WithItem: "item asname",
    cst.Yield: "value",
}


@cache
def make(kind: type[cst.CSTNode]) -> Callable[..., Any]:
    """A function that makes nodes of a class, of the fields that `FIELDS` has for it.

    LibCST's own constructors check what they are given, which Python's parser has done, and make layout anew
    for each node.
    """
    given = FIELDS.get(kind, "").split()
    puts = [getattr(kind, name).__set__ for name in given]
    layout = []
    for part in fields(kind):
        if part.name not in given:
            default: Any = part.default if part.default_factory is MISSING else part.default_factory()
            layout.append((getattr(kind, part.name).__set__, default))

    def made(*values: Any, new: Any = object.__new__) -> Any:
        node = new(kind)
        for put, value in zip(puts, values, strict=True):
            put(node, value)
        for put, value in layout:
            put(node, value)
        return node

    return made
