"""Command-line settings. A default counts as the value: it is what a run without options uses."""

from __future__ import annotations

from dataclasses import replace

from tflint_nan.ops.handlers import text
from tflint_nan.ops.table import CONSTANTS, Call, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Function, Items, Object, Symbol, Value

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
    if name is not None:
        default = machine.option(name, default)
    # The modules share their flags.
    for module in _MODULES:
        flags = machine.get(Symbol(module), "FLAGS")
        if name is not None and isinstance(flags, Object):
            machine.set(flags, name, UNKNOWN if default.literal is None else default)
    machine.emit("option", {"default": default}, call=call)
    return _holder(machine, call, UNKNOWN if default.literal is None else default)


def _holder(machine: Machine, call: Call, value: Value) -> Value:
    return machine.new("flag", call, value=value, default=value)


def flag(machine: Machine, call: Call) -> Value:
    """`FLAGS["name"]`: the flag itself, which has a `value`."""
    name, flags = text(call.arg("name")), call.arg("self")
    return UNKNOWN if name is None else _holder(machine, call, machine.get(flags, name))


def parser(machine: Machine, call: Call) -> Value:
    """`argparse.ArgumentParser()`: its arguments become attributes of one namespace."""
    namespace = machine.new("namespace", call)
    for parent in machine.elements(call.extra.get("parents", NONE)) or ():
        inherited = machine.get(parent, "namespace")
        if isinstance(inherited, Object):
            for name, value in inherited.attrs.items():
                machine.set(namespace, name, value)
    return machine.new("argparser", call, namespace=namespace)


def add_argument(machine: Machine, call: Call) -> Value:
    """`parser.add_argument("--learning-rate", type=float, default=0.1)`."""
    made = call.arg("self")
    name = _variable(call)
    namespace = machine.get(made, "namespace")
    if name is None or not isinstance(namespace, Object):
        return UNKNOWN
    default = machine.option(name, _default(call))
    machine.set(namespace, name, default)
    machine.emit("option", {"default": default}, call=call)
    return UNKNOWN


def _variable(call: Call) -> str | None:
    """The variable of an option: `dest`, or its first long name."""
    name = text(call.extra.get("dest", NONE))
    if name is None:
        known = [word for value in call.rest if (word := text(value)) is not None]
        long = [word for word in known if word.startswith("--")]
        name = next(iter(long or known), None)
    return None if name is None else name.lstrip("-").partition("/")[0].replace("-", "_")


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


def option_parser(machine: Machine, call: Call) -> Value:
    """`optparse.OptionParser()`, which differs in what `parse_args` returns."""
    return machine.new("optparser", call, namespace=machine.new("namespace", call))


def click_option(machine: Machine, call: Call) -> Value:
    """`@click.option("--rate", default=0.1)`: a decorator that gives a parameter its default."""
    name = _variable(call)
    default = _default(call)
    if name is None:
        return UNKNOWN
    machine.emit("option", {"default": default}, call=call)
    return machine.new("click_option", call, name=Const(name), default=default)


def with_option(machine: Machine, call: Call) -> Value:
    """The decorated function: it is called without arguments, with the options' defaults."""
    option, function = call.arg("self"), call.arg("function")
    name = text(machine.get(option, "name"))
    if not isinstance(function, Function) or name is None:
        return UNKNOWN
    return replace(function, defaults={**function.defaults, name: machine.get(option, "default")})


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
api("argparser.set_defaults optparser.set_defaults", set_defaults, "self")
api("optparse.OptionParser", option_parser, "usage")
api("optparser.add_option", add_argument, "self")
api("optparser.add_option_group", group, "self title")
api("optparser.parse_args", parse_known, "self args values")
api("click.option", click_option, "")
api("click_option.__call__", with_option, "self function")
api("flags.__getitem__", flag, "self name")
