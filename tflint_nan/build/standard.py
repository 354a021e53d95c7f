"""Functions of the standard library (and of a few that stand in for it), as far as values pass through them.

Settings, tables and functions travel through these unchanged: `functools.partial`, `collections.OrderedDict`,
`os.path.join`, `Thread(target=f)`.
"""

from __future__ import annotations

import json
import os.path
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tflint_nan.build import builtins, strings
from tflint_nan.build.builtins import Builtin
from tflint_nan.build.fold import MAX_TEXT
from tflint_nan.build.state import MAX_JOIN_DEPTH
from tflint_nan.build.strings import text
from tflint_nan.ops.table import Call
from tflint_nan.value import NONE, Class, Const, Function, Items, Object, Symbol, Table, Unknown, Value

if TYPE_CHECKING:
    from tflint_nan.build.calls import Calls

Args = Sequence[Value]
Words = Mapping[str, Value]


def string(value: Value) -> str | None:
    """The text that a value is: a string, or a path."""
    literal = value.literal
    if isinstance(value, Object) and value.kind == "path":
        literal = value.attrs["text"].literal
    return literal if isinstance(literal, str) else None


# ---- functions of functions


def _partial(walk: Calls, args: Args, kwargs: Words) -> Value:
    if not args:
        return Unknown()
    function = args[0]
    if isinstance(function, Function) and len(args) == 1:
        return replace(function, defaults={**function.defaults, **kwargs})
    attrs = {"func": function, "args": Items(tuple(args[1:])), "keywords": Table(dict(kwargs))}
    return Object("partial", "functools.partial", attrs)


def _call_partial(walk: Calls, args: Args, kwargs: Words) -> Value:
    made = args[0]
    first, words = walk.get(made, "args"), walk.get(made, "keywords")
    assert isinstance(first, Items)
    assert isinstance(words, Table)
    return walk.call(walk.get(made, "func"), [*first.items, *args[1:]], {**words.items, **kwargs})


def _same(walk: Calls, args: Args, kwargs: Words) -> Value:
    return args[0] if args else Unknown()


def _second(walk: Calls, args: Args, kwargs: Words) -> Value:
    return args[1] if len(args) > 1 else Unknown()


def _run(walk: Calls, args: Args, kwargs: Words) -> Value:
    """`pool.submit(f, *args)`, `tf.make_template(name, f)`: f is called with the rest."""
    return walk.call(args[0], args[1:], kwargs) if args else Unknown()


def _thread(walk: Calls, args: Args, kwargs: Words) -> Value:
    target = kwargs.get("target", args[1] if len(args) > 1 else NONE)
    given = kwargs.get("args", args[3] if len(args) > 3 else Items(()))
    words = kwargs.get("kwargs", args[4] if len(args) > 4 else Table({}))
    if target != NONE:
        table = walk.mapping(words)
        walk.call(target, walk.elements(given) or (), table.items if table is not None else {})
    return Unknown()


def _executor(walk: Calls, args: Args, kwargs: Words) -> Value:
    return Object("executor", "executor")


def _submit(walk: Calls, args: Args, kwargs: Words) -> Value:
    return Object("future", "future", {"value": _run(walk, args[1:], kwargs)})


def _result(walk: Calls, args: Args, kwargs: Words) -> Value:
    return walk.get(args[0], "value")


def _executor_map(walk: Calls, args: Args, kwargs: Words) -> Value:
    return builtins.NAMES["map"](walk, args[1:], kwargs)


def _reduce(walk: Calls, args: Args, kwargs: Words) -> Value:
    known = walk.elements(args[1]) if len(args) > 1 else None
    if known is None:
        return Unknown()
    values = [*args[2:3], *known]
    if not values:
        return Unknown()
    result = values[0]
    for value in values[1:]:
        result = walk.call(args[0], [result, value], {})
    return result


def _getter(kind: str) -> Builtin:
    def make(walk: Calls, args: Args, kwargs: Words) -> Value:
        return Object(kind, kind, {"keys": Items(tuple(args))})

    return make


def _call_getter(ask: Callable[[Calls, Value, Value], Value]) -> Builtin:
    def call(walk: Calls, args: Args, kwargs: Words) -> Value:
        keys = walk.elements(walk.get(args[0], "keys")) or ()
        found = [ask(walk, args[1], key) for key in keys] if len(args) > 1 else []
        return found[0] if len(found) == 1 else Items(tuple(found))

    return call


def _attribute(walk: Calls, receiver: Value, name: Value) -> Value:
    parts = name.literal
    for part in parts.split(".") if isinstance(parts, str) else ():
        receiver = walk.get(receiver, part)
    return receiver


# ---- containers


def _ordered_dict(walk: Calls, args: Args, kwargs: Words) -> Value:
    return builtins.NAMES["dict"](walk, args, kwargs)


def _default_dict(walk: Calls, args: Args, kwargs: Words) -> Value:
    table = _ordered_dict(walk, args[1:], kwargs)
    return replace(table, factory=args[0]) if isinstance(table, Table) and args else table


def _chain(walk: Calls, args: Args, kwargs: Words) -> Value:
    known = [walk.elements(arg) for arg in args]
    held = [
        item
        for arg, part in zip(args, known, strict=True)
        for item in (part if part is not None else (walk.element(arg),))
    ]
    return Items(tuple(held), "list", all(part is not None for part in known))


def _chain_from(walk: Calls, args: Args, kwargs: Words) -> Value:
    known = walk.elements(args[0]) if args else None
    if known is None:
        return Items((walk.element(walk.element(args[0])),), "list", False) if args else Unknown()
    return _chain(walk, known, {})


def _copy(walk: Calls, args: Args, kwargs: Words) -> Value:
    if not args:
        return Unknown()
    made = args[0]
    if isinstance(made, Object) and made.kind in ("instance", "namespace"):
        return replace(made, attrs={name: walk.fresh(walk.loaded(v)) for name, v in made.attrs.items()})
    return walk.fresh(made)


def _namespace(nested: bool) -> Builtin:
    def make(walk: Calls, args: Args, kwargs: Words) -> Value:
        table = walk.mapping(args[0]) if args else Table({})
        held = {**(table.items if table is not None else {}), **kwargs}
        return _as_namespace(walk, Table(held), nested)

    return make


def _as_namespace(walk: Calls, value: Value, nested: bool, depth: int = 0) -> Value:
    if not isinstance(value, Table):
        return value
    attrs = {key: walk.loaded(item) for key, item in value.items.items() if isinstance(key, str)}
    if nested and depth < MAX_JOIN_DEPTH:
        attrs = {key: _as_namespace(walk, item, nested, depth + 1) for key, item in attrs.items()}
    return Object("namespace", "namespace", attrs)


def _loads(walk: Calls, args: Args, kwargs: Words) -> Value:
    literal = args[0].literal if args else None
    if not isinstance(literal, str) or len(literal) > MAX_TEXT:
        return Unknown()
    try:
        return _python(json.loads(literal))
    except (ValueError, RecursionError):
        return Unknown()


def _python(value: object) -> Value:
    if isinstance(value, dict):
        return Table({key: _python(item) for key, item in value.items()})
    if isinstance(value, list):
        return Items(tuple(_python(item) for item in value), "list")
    return Const(value)


# ---- paths and modules


def _path(function: Callable[..., str]) -> Builtin:
    def compute(walk: Calls, args: Args, kwargs: Words) -> Value:
        parts = [string(arg) for arg in args]
        known = [part for part in parts if part is not None]
        return text(function(*known)) if known and len(known) == len(parts) else Unknown()

    return compute


def _here(walk: Calls, args: Args, kwargs: Words) -> Value:
    """`os.getcwd()`: a script is taken to be started in its own folder."""
    return text(os.path.dirname(os.path.abspath(walk.frame.scope.source.filename)))


def as_path(value: str) -> Value:
    """A `pathlib.Path`."""
    return Object("path", "path", {"text": text(value)})


def _pathlib(walk: Calls, args: Args, kwargs: Words) -> Value:
    parts = [string(arg) for arg in args]
    known = [part for part in parts if part is not None]
    return as_path(os.path.join(".", *known)) if len(known) == len(parts) else Unknown()


def _path_method(function: Callable[..., str]) -> Builtin:
    def compute(walk: Calls, args: Args, kwargs: Words) -> Value:
        parts = [string(arg) for arg in args]
        known = [part for part in parts if part is not None]
        return as_path(function(*known)) if known and len(known) == len(parts) else Unknown()

    return compute


def _import_module(walk: Calls, args: Args, kwargs: Words) -> Value:
    name = string(args[0]) if args else None
    if name is None:
        return Unknown()
    return walk.loaded(walk.module(name.lstrip("."), len(name) - len(name.lstrip("."))))


def _search(index: int) -> Builtin:
    def add(walk: Calls, args: Args, kwargs: Words) -> Value:
        folders = [args[index]] if len(args) > index else []
        for one in folders:
            known = walk.elements(one)
            for folder in [one] if known is None else known:
                name = string(folder)
                if name is not None:
                    walk.search(name)
        return NONE

    return add


def _environment(walk: Calls, args: Args, kwargs: Words) -> Value:
    """The default: it is what a run without settings uses."""
    default = kwargs.get("default", args[1] if len(args) > 1 else NONE)
    return Unknown() if default == NONE else default


def _make_class(walk: Calls, args: Args, kwargs: Words) -> Value:
    return walk.named_tuple(args, kwargs)


def _field(walk: Calls, args: Args, kwargs: Words) -> Value:
    """`dataclasses.field`, `attr.ib`, `pydantic.Field`, `typer.Option`: a default and its factory."""
    default = kwargs.get("default", args[0] if args else None)
    factory = kwargs.get("default_factory", kwargs.get("factory"))
    attrs = {"default": default, "factory": factory}
    return Object("field", "field", {name: value for name, value in attrs.items() if value is not None})


def _of_dict(name: str) -> Builtin:
    def call(walk: Calls, args: Args, kwargs: Words) -> Value:
        table = walk.mapping(args[0]) if args else None
        return Unknown() if table is None else walk.container(table, name, args[1:], kwargs)

    return call


def _of_namespace(name: str) -> Builtin:
    def call(walk: Calls, args: Args, kwargs: Words) -> Value:
        receiver = args[0]
        return walk.namespace(receiver, name, args[1:], kwargs) if isinstance(receiver, Object) else Unknown()

    return call


def _replaced(walk: Calls, args: Args, kwargs: Words) -> Value:
    made = args[0] if args else Unknown()
    return walk.replaced(made, kwargs) if isinstance(made, Object) else Unknown()


def _traced(walk: Calls, args: Args, kwargs: Words) -> Value:
    """A function that TensorFlow makes a graph of: as far as numbers go, the function."""
    walk.emit("traced", {}, call=Call("tf.function", {}, {}, walk.node))
    return args[0] if args else Unknown()


def _attributes_of(walk: Calls, args: Args, kwargs: Words) -> Value:
    return Table(dict(args[0].attrs)) if args and isinstance(args[0], Object) else Unknown()


def _blank(walk: Calls, args: Args, kwargs: Words) -> Value:
    return walk.blank(args[0], walk.node) if args and isinstance(args[0], Class) else Unknown()


_NAMESPACE = (
    *("__init__", "__setitem__", "copy", "get", "items", "keys", "pop", "setdefault", "update", "values"),
    *("add_hparam", "override_from_dict", "set_hparam"),
)
_TABLE: tuple[tuple[str, Builtin], ...] = (
    ("functools.partial", _partial),
    ("partial.__call__", _call_partial),
    ("functools.reduce", _reduce),
    (
        "contextlib.contextmanager functools.lru_cache functools.cache asyncio.run "
        "tqdm.tqdm tqdm.auto.tqdm tqdm.notebook.tqdm tqdm.tqdm_notebook "
        "tf.contrib.framework.add_arg_scope "
        "itertools.cycle",
        _same,
    ),
    ("tf.function tf.contrib.eager.defun tf.autograph.to_graph", _traced),
    ("typing.cast tf.make_template", _second),
    ("tqdm.trange six.moves.range six.moves.xrange", builtins.NAMES["range"]),
    ("six.moves.zip itertools.izip", builtins.NAMES["zip"]),
    ("six.moves.map", builtins.NAMES["map"]),
    ("six.moves.reduce", _reduce),
    ("six.iteritems six.viewitems", _of_dict("items")),
    ("six.itervalues six.viewvalues", _of_dict("values")),
    ("dataclasses.replace copy.replace instance._replace instance.replace", _replaced),
    ("dataclasses.asdict instance._asdict", _attributes_of),
    *((f"namespace.{name}", _of_namespace(name)) for name in _NAMESPACE),
    ("threading.Thread multiprocessing.Process", _thread),
    (
        "concurrent.futures.ThreadPoolExecutor concurrent.futures.ProcessPoolExecutor multiprocessing.Pool "
        "multiprocessing.pool.ThreadPool",
        _executor,
    ),
    ("executor.submit executor.apply_async", _submit),
    ("executor.map executor.imap", _executor_map),
    ("future.result future.get", _result),
    ("operator.itemgetter", _getter("itemgetter")),
    ("itemgetter.__call__", _call_getter(lambda walk, receiver, key: walk.item(receiver, key))),
    ("operator.attrgetter", _getter("attrgetter")),
    ("attrgetter.__call__", _call_getter(_attribute)),
    ("collections.OrderedDict collections.Counter", _ordered_dict),
    ("collections.defaultdict", _default_dict),
    ("collections.deque", builtins.NAMES["list"]),
    ("collections.namedtuple", _make_class),
    ("itertools.chain", _chain),
    ("itertools.chain.from_iterable", _chain_from),
    ("copy.copy copy.deepcopy", _copy),
    ("types.SimpleNamespace argparse.Namespace tf.contrib.training.HParams", _namespace(False)),
    (
        "easydict.EasyDict ml_collections.ConfigDict ml_collections.config_dict.ConfigDict munch.Munch "
        "munch.munchify addict.Dict box.Box dotmap.DotMap attrdict.AttrDict omegaconf.OmegaConf.create "
        "bunch.Bunch",
        _namespace(True),
    ),
    ("json.loads", _loads),
    ("os.path.join", _path(os.path.join)),
    ("os.path.dirname", _path(os.path.dirname)),
    ("os.path.basename", _path(os.path.basename)),
    ("os.path.normpath", _path(os.path.normpath)),
    # What is not absolute stands in the script's folder, and is looked for there.
    ("os.path.abspath os.path.realpath os.path.expanduser", _path(os.path.normpath)),
    ("os.getcwd", _here),
    ("os.environ.get os.getenv", _environment),
    ("pathlib.Path pathlib.PurePath", _pathlib),
    ("path.parent", _path_method(os.path.dirname)),
    ("path.resolve path.absolute path.expanduser", _path_method(os.path.normpath)),
    ("path.joinpath path.__truediv__", _path_method(os.path.join)),
    ("path.as_posix path.__str__", _path(posixpath.normpath)),
    ("importlib.import_module", _import_module),
    ("sys.path.append sys.path.extend", _search(0)),
    ("sys.path.insert", _search(1)),
    (
        "dataclasses.field attr.ib attr.field attrs.field pydantic.Field typer.Option typer.Argument "
        "flax.struct.field",
        _field,
    ),
    ("builtins.object.__new__", _blank),
)
NAMES: dict[str, Builtin] = {
    **{f"builtins.{name}": function for name, function in builtins.NAMES.items()},
    "builtins.__import__": _import_module,
    **strings.METHODS,
    **{name: function for names, function in _TABLE for name in names.split()},
}
#: Classes whose instances hold what they are made with, and the kind of these.
BASES = {
    "builtins.dict": "namespace",
    "collections.OrderedDict": "namespace",
    "collections.UserDict": "namespace",
    "types.SimpleNamespace": "namespace",
}
#: Of these, an attribute is the value and not the method.
PROPERTIES = frozenset({"path.parent"})
CONSTANTS: dict[str, Value] = {
    "sys.version_info": Items((Const(3), Const(12), Const(0))),
    "six.PY2": Const(False),
    "six.PY3": Const(True),
    "six.string_types": Symbol("builtins.str"),
}
