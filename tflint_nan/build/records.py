"""Classes that Python writes the constructor of (dataclasses, named tuples), enumerations, namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import libcst as cst

from tflint_nan.build.attributes import Arguments, bind_method
from tflint_nan.build.containers import Containers
from tflint_nan.value import (
    NONE,
    Class,
    Const,
    Function,
    Items,
    Object,
    OneOf,
    Symbol,
    Table,
    Unknown,
    Value,
)

#: Names of decorators that write a constructor.
_DECORATORS = frozenset({"dataclass", "s", "attrs", "define", "frozen", "mutable"})
_TUPLE = "typing.NamedTuple"
#: Library classes whose subclasses have their fields as arguments of the constructor.
_BASES = frozenset({_TUPLE, "pydantic.BaseModel", "pydantic.BaseSettings", "flax.struct.PyTreeNode"})
_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag"})


class Records(Containers):
    """Fields of classes, and what iterates like a tuple or a generator."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[tuple[int, str], Value] = {}

    # Fields.

    def fields(self, cls: Class) -> dict[str, Value | None] | None:
        """The fields of a class by name, each with its default; None where the class has no written
        constructor."""
        order = self.lineage(cls)
        if not any(_is_record(one) for one in order):
            return None
        found: dict[str, Value | None] = {}
        for one in reversed(order):
            found.update((name, one.names.get(name)) for name in _declared(one))
        return found

    def fill(self, instance: Object, cls: Class, given: Arguments) -> None:
        """What a written constructor does with its arguments."""
        fields = self.fields(cls) or {}
        named = dict(zip(fields, given.values, strict=False)) | dict(given.keywords)
        for name, default in fields.items():
            value = named.get(name)
            if value is None:
                value = self.default(name, default) if given.complete else Unknown()
            self.set(instance, name, value)
        after = self.member(cls, "__post_init__") or self.member(cls, "__attrs_post_init__")
        if isinstance(after, Function):
            self.call(bind_method(after, instance), [], {})

    def parameter(self, name: str) -> Value:
        """The value of a parameter that nobody is seen to pass."""
        return self.emit("parameter", {"name": Const(name)})

    def default(self, name: str, default: Value | None) -> Value:
        """The value of a parameter or field that a call does not give."""
        if isinstance(default, Object) and default.kind == "field":
            factory, default = default.attrs.get("factory"), default.attrs.get("default")
            if factory is not None:
                return self.call(factory, [], {})
        return self.parameter(name) if default is None else default

    def named_tuple(self, args: Sequence[Value], kwargs: Mapping[str, Value]) -> Value:
        """`namedtuple("Output", "name v")`: the class that it makes."""
        names = self.elements(args[1]) if len(args) > 1 else None
        words = [name.literal for name in names or ()]
        if names is None and len(args) > 1 and isinstance(args[1].literal, str):
            words = list(args[1].literal.replace(",", " ").split())
        fields = [word for word in words if isinstance(word, str)]
        defaults = self.elements(kwargs.get("defaults", Items(()))) or ()
        last = fields[len(fields) - len(defaults) :] if len(defaults) <= len(fields) else []
        return self._made(args[0] if args else NONE, fields, dict(zip(last, defaults, strict=False)))

    def made_class(self, args: Sequence[Value]) -> Value:
        """`type("Net", bases, names)`: the class that it makes."""
        names = args[2] if isinstance(args[2], Table) else Table({})
        bases = tuple(self.elements(args[1]) or ())
        held = {key: value for key, value in names.items.items() if isinstance(key, str)}
        return self._made(args[0], (), held, bases)

    def _made(
        self, name: Value, fields: Sequence[str], held: dict[str, Value], bases: tuple[Value, ...] = ()
    ) -> Value:
        title = name.literal if isinstance(name.literal, str) else ""
        if not all(field.isidentifier() for field in (title, *fields)):
            return Unknown()
        body = [
            cst.SimpleStatementLine([cst.AnnAssign(cst.Name(field), cst.Annotation(cst.Name("object")))])
            for field in fields
        ]
        node = cst.ClassDef(cst.Name(title), cst.IndentedBlock(body))
        return Class(title, node, self.frame.scope.source, bases or (Symbol(_TUPLE),), held)

    # Named tuples, iterables.

    def elements(self, value: Value) -> Sequence[Value] | None:
        """The elements of a tuple, list or named tuple that is known whole, else None."""
        if not isinstance(value, Object) or value.cls is None:
            return super().elements(value)
        if any(Symbol(_TUPLE) in one.bases for one in self.lineage(value.cls)):
            return [self.get(value, name) for name in self.fields(value.cls) or ()]
        iterated = self._iterated(value)
        return None if iterated is None else super().elements(iterated)

    def element(self, value: Value) -> Value:
        """What iteration over `value` yields, all turns joined."""
        if isinstance(value, Object) and value.cls is not None and "element" not in value.attrs:
            known = self.elements(value)
            if known is not None:
                return self.either(known)
            iterated = self._iterated(value)
            if iterated is not None and iterated is not value:
                return self.element(iterated)
            following = self.member(value.cls, "__next__") or self.member(value.cls, "__getitem__")
            if isinstance(following, Function):
                given = [] if following.name == "__next__" else [Unknown()]
                return self.call(bind_method(following, value), given, {})
        return super().element(value)

    def _iterated(self, value: Object) -> Value | None:
        method = self.member(value.cls, "__iter__") if value.cls is not None else None
        return self.call(bind_method(method, value), [], {}) if isinstance(method, Function) else None

    def item(self, value: Value, index: Value) -> Value:
        """`value[index]`; of a named tuple by its place, of a namespace by name."""
        literal = index.literal
        if isinstance(value, Object) and isinstance(literal, str) and self._is_namespace(value):
            found = value.attrs.get(literal)
            return Unknown() if found is None else self.loaded(found)
        if isinstance(value, Object) and isinstance(literal, int) and value.cls is not None:
            known = self.elements(value) if self.member(value.cls, "__getitem__") is None else None
            if known is not None:
                return self.item(Items(tuple(known)), index)
        return super().item(value, index)

    def _is_namespace(self, value: Object) -> bool:
        own = self.member(value.cls, "__getitem__") if value.cls is not None else None
        return value.kind == "namespace" and own is None

    def namespace(
        self, value: Object, name: str, args: Sequence[Value], kwargs: Mapping[str, Value]
    ) -> Value:
        """`value.name(...)` for a dict that is read by attributes."""
        if name in ("__init__", "override_from_dict"):
            name = "update"
        if name in ("__setitem__", "add_hparam", "set_hparam"):
            key = args[0].literal if len(args) == 2 else None
            if isinstance(key, str):
                self.set(value, key, args[1])
            return NONE
        table = Table(dict(value.attrs))
        result = self.container(table, name, args, kwargs)
        after = self.now(table)
        if isinstance(after, Table) and after is not table:
            for key, item in after.items.items():
                if isinstance(key, str) and value.attrs.get(key) is not item:
                    self.set(value, key, item)
        return result

    def replaced(self, value: Object, kwargs: Mapping[str, Value]) -> Object:
        """`value._replace(name=...)`, `dataclasses.replace(value, name=...)`."""
        return replace(value, attrs={**value.attrs, **kwargs})

    # Enumerations.

    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`; of an enumeration, its member."""
        found = super().get(receiver, name)
        if isinstance(receiver, OneOf) or not isinstance(receiver, Class) or isinstance(found, Function):
            return found
        bases = [base for one in self.lineage(receiver) for base in one.bases if isinstance(base, Symbol)]
        if name.startswith("_") or not any(base.name in _ENUMS for base in bases):
            return found
        key = (id(receiver), name)
        if key not in self._members:
            attrs = {"value": found, "_value_": found, "name": Const(name)}
            self._members[key] = Object("member", receiver.name, attrs, receiver)
        return self._members[key]


def _is_record(cls: Class) -> bool:
    decorators = (decorator_name(decorator) for decorator in cls.node.decorators)
    return any(name in _DECORATORS for name in decorators) or any(
        isinstance(base, Symbol) and base.name in _BASES for base in cls.bases
    )


def _declared(cls: Class) -> Iterator[str]:
    """Names that a class body annotates, or binds to a field."""
    for statement in cls.node.body.body:
        part = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        if isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
            yield part.target.value
        elif isinstance(part, cst.Assign) and isinstance(target := part.targets[0].target, cst.Name):
            value = cls.names.get(target.value)
            if isinstance(value, Object) and value.kind == "field":
                yield target.value


def decorator_name(node: cst.Decorator) -> str:
    """The last word of a decorator."""
    inner = node.decorator.func if isinstance(node.decorator, cst.Call) else node.decorator
    return inner.attr.value if isinstance(inner, cst.Attribute) else getattr(inner, "value", "")
