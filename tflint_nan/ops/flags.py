"""Command-line settings. A default counts as the value: it is what a run without options uses."""

from __future__ import annotations

from tflint_nan.ops.handlers import text
from tflint_nan.ops.table import CONSTANTS, Call, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Symbol, Value

_MODULES = ("tf.flags", "tf.app.flags", "absl.flags")
_KINDS = (
    "float",
    "integer",
    "string",
    "boolean",
    "bool",
    "enum",
    "list",
    "multi_integer",
    "multi_float",
    "multi_string",
)
_TYPES = {"builtins.float": float, "builtins.int": int}


def define(machine: Machine, call: Call) -> Value:
    """`flags.DEFINE_float(name, default, help)`: `FLAGS.name` is the default."""
    name = text(call.arg("name"))
    default = call.arg("default")
    # The modules share their flags.
    for module in _MODULES:
        flags = machine.get(Symbol(module), "FLAGS")
        if name is not None and isinstance(flags, Object):
            machine.set(flags, name, UNKNOWN if default.literal is None else default)
    machine.emit("option", {"default": default}, call=call)
    return UNKNOWN


def parser(machine: Machine, call: Call) -> Value:
    """`argparse.ArgumentParser()`: its arguments become attributes of one namespace."""
    namespace = machine.new("namespace", call)
    return machine.new("argparser", call, namespace=namespace)


def add_argument(machine: Machine, call: Call) -> Value:
    """`parser.add_argument("--learning-rate", type=float, default=0.1)`."""
    made = call.arg("self")
    names = [text(value) for value in call.rest]
    name = text(call.extra.get("dest", NONE))
    if name is None:
        known = [word for word in names if word is not None]
        long = [word for word in known if word.startswith("--")]
        name = next(iter(long or known), None)
    namespace = machine.get(made, "namespace")
    if name is None or not isinstance(namespace, Object):
        return UNKNOWN
    default = _default(call)
    machine.set(namespace, name.lstrip("-").replace("-", "_"), default)
    machine.emit("option", {"default": default}, call=call)
    return UNKNOWN


def _default(call: Call) -> Value:
    default, action = call.extra.get("default", NONE), text(call.extra.get("action", NONE))
    if default is NONE and action in ("store_true", "store_false"):
        # A switch is a question that both answers are given to.
        return UNKNOWN
    if default.literal is None:
        return UNKNOWN
    convert = call.extra.get("type", NONE)
    kind = _TYPES.get(convert.name) if isinstance(convert, Symbol) else None
    if kind is not None and isinstance(default.literal, str):
        try:
            return Const(kind(default.literal))
        except ValueError:
            return UNKNOWN
    return default


def group(machine: Machine, call: Call) -> Value:
    """`parser.add_argument_group()`: the parser itself."""
    return call.arg("self")


def parse(machine: Machine, call: Call) -> Value:
    """`parser.parse_args()`: the namespace of defaults."""
    return machine.get(call.arg("self"), "namespace")


def parse_known(machine: Machine, call: Call) -> Value:
    """`parser.parse_known_args()`: the namespace and what is left."""
    return Items((parse(machine, call), UNKNOWN))


def set_defaults(machine: Machine, call: Call) -> Value:
    """`parser.set_defaults(name=value)`."""
    namespace = machine.get(call.arg("self"), "namespace")
    if isinstance(namespace, Object):
        for name, value in call.extra.items():
            machine.set(namespace, name, value)
    return NONE


for _module in _MODULES:
    CONSTANTS[f"{_module}.FLAGS"] = Object("flags", f"{_module}.FLAGS")
    for _name in _KINDS:
        _signature = "name default enum_values help" if _name == "enum" else "name default help"
        api(f"{_module}.DEFINE_{_name}", define, _signature)
api("argparse.ArgumentParser", parser, "prog usage description epilog")
api("argparser.add_argument", add_argument, "self")
api("argparser.add_argument_group argparser.add_mutually_exclusive_group", group, "self title description")
api("argparser.parse_args", parse, "self args namespace")
api("argparser.parse_known_args", parse_known, "self args namespace")
api("argparser.set_defaults", set_defaults, "self")
