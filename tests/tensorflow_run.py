"""Executes a program's text in TensorFlow and gives the value and gradient of its loss.

`tests/cases/README.md` says how a program and its inputs are written. TensorFlow 1 programs run in a graph of
their own, with `tensorflow.compat.v1` in the place of `tensorflow`; several generations share one process.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.keras.legacy_tf_layers import core

SEED = 20240229
tf1 = tf.compat.v1
#: Keywords that TensorFlow 2 no longer knows.
OLD_KEYWORDS = {"keep_dims", "reduction_indices"}
Values = Mapping[str, Any]
#: Relative and absolute difference that rounding makes: some ulps for each operation of a small loss.
TOLERANCE = {
    np.dtype("float64"): (1e-9, 1e-12),
    np.dtype("float32"): (2e-5, 2e-6),
    np.dtype("float16"): (2e-2, 1e-3),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` of the loss, and the gradient of its sum for each floating input (None: no path to it)."""

    value: np.ndarray
    gradients: dict[str, np.ndarray | None]

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Value and gradients as float64, with names for messages."""
        yield "the loss", np.asarray(self.value, np.float64)
        for name, gradient in self.gradients.items():
            if gradient is not None:
                yield f"its gradient by {name}", np.asarray(gradient, np.float64)

    @property
    def bad(self) -> list[str]:
        """What is NaN or infinite."""
        return [name for name, array in self.arrays() if not np.all(np.isfinite(array))]


@dataclass(frozen=True, slots=True)
class Inputs:
    """An `inputs` fence: values of names for which the original is fine, and for which it is not."""

    ordinary: tuple[dict[str, Any], ...]
    witness: tuple[dict[str, Any], ...]
    output: str = "loss"
    program: str = "program"


def read_inputs(text: str) -> Inputs:
    """Read the body of an `inputs` fence.

    Raises:
        ValueError: a line that is none of `ordinary:`, `witness:`, `output:`, `program:`.
    """
    lines: dict[str, list[dict[str, Any]]] = {"ordinary": [], "witness": []}
    names = {"output": "loss", "program": "program"}
    for line in filter(None, map(str.strip, text.splitlines())):
        kind, _, rest = line.partition(":")
        if kind in lines:
            given = eval(f"dict({rest})", _helpers())
            lines[kind].append({name: _array(value) for name, value in given.items()})
        elif kind in names:
            names[kind] = rest.strip()
        else:
            raise ValueError(f"cannot read {line!r}")
    return Inputs(tuple(lines["ordinary"]), tuple(lines["witness"]), **names)


def _helpers() -> dict[str, Any]:
    random = np.random.default_rng(SEED)
    return {
        "np": np,
        "inf": np.inf,
        "normal": lambda *shape: random.normal(size=shape).tolist(),
        "uniform": lambda *shape: random.uniform(size=shape).tolist(),
        "zeros": lambda *shape: np.zeros(shape).tolist(),
        "ones": lambda *shape: np.ones(shape).tolist(),
        "full": lambda shape, value: np.full(shape, value, float).tolist(),
        "one_hot": lambda ids, depth: np.eye(depth)[ids].tolist(),
    }


def _array(value: Any) -> np.ndarray:
    """Lists and numbers become float32 or int32; arrays that say their own dtype keep it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    array = np.asarray(value)
    return array.astype({"f": np.float32, "i": np.int32, "b": np.bool_}[array.dtype.kind])


def is_tensorflow_1(text: str) -> bool:
    """True where the text imports `compat.v1` or uses a name that only TensorFlow 1 has."""
    tree = ast.parse(text)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname or a.name for a in node.names if a.name == "tensorflow"}
            if any(a.name.startswith("tensorflow.compat.v1") for a in node.names):
                return True
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tensorflow.compat"):
            return True
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in OLD_KEYWORDS:
            return True
        if isinstance(node, ast.Attribute):
            root, *path = ast.unparse(node).split(".")
            if root in names and not _has(tf, path) and _has(tf1, path):
                return True
    return False


def _has(module: Any, path: list[str]) -> bool:
    for name in path:
        try:
            module = getattr(module, name)
        except Exception:  # lazy modules of TensorFlow raise what they like
            return False
    return True


class _TensorFlow1(types.ModuleType):
    """`tensorflow` as TensorFlow 1 programs know it, inside a process of TensorFlow 2."""

    def __init__(self) -> None:
        super().__init__("tensorflow")
        self.compat = types.SimpleNamespace(v1=self, v2=tf)

    def __getattr__(self, name: str) -> Any:
        if name in ("disable_v2_behavior", "disable_eager_execution", "enable_resource_variables"):
            return lambda: None  # the graph around the program does this already
        if name == "layers":
            return core  # Keras 3 does not give them out any more
        return getattr(tf1, name)


def namespace(v1: bool) -> dict[str, Any]:
    """The names a program starts with; `import tensorflow` gives it TensorFlow 1 where `v1`."""
    module = _TensorFlow1() if v1 else tf

    def import_(
        name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if v1 and name.split(".")[0] == "tensorflow":
            found: Any = module
            if fromlist:
                for part in name.split(".")[1:]:
                    found = getattr(found, part)
            return found
        return builtins.__import__(name, globals_, locals_, fromlist, level)

    return {"__name__": "program", "__builtins__": {**vars(builtins), "__import__": import_}}


class _SetInputs(ast.NodeTransformer):
    """Puts the given values in the place of what the module assigns to the names."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.assigned: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # its variables are its own

    visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        match node.targets:
            case [ast.Name(id=name)] if name in self.names and name not in self.assigned:
                self.assigned.add(name)
                made_by = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
                trained = made_by.endswith(("Variable", "get_variable"))
                call = ast.parse(f"__input__({name!r}, {trained})", mode="eval").body
                return ast.copy_location(ast.Assign(node.targets, call), node)
        return node


def execute(text: str, values: Values, inputs: Inputs, *, v1: bool) -> Outcome:
    """Run the program with these values of its inputs.

    Raises:
        KeyError: the program has no output of the name.
    """
    return outcomes(text, [values], inputs, v1=v1)[0]


def outcomes(text: str, lines: Sequence[Values], inputs: Inputs, *, v1: bool) -> list[Outcome]:
    """Run the program with each of the lines, which give values of the same shapes to the same names.

    The module runs once, with the first line. With several, a program of TensorFlow 2 has to be a function:
    what its module computes of inputs stays as it is.

    Raises:
        KeyError: the program has no output of the name.
    """
    setter = _SetInputs(set(lines[0]))
    tree = ast.fix_missing_locations(setter.visit(ast.parse(text)))
    compiled = compile(tree, "<program>", "exec")
    run = _in_graph if v1 else _eagerly
    return run(compiled, lines, inputs, setter.assigned)


def _output(names: dict[str, Any], make: Callable[[str], Any], inputs: Inputs) -> Any:
    function = names.get(inputs.program)
    if not isinstance(function, types.FunctionType):
        return names[inputs.output]
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    return function(*(make(name) for name in parameters))


def _in_graph(
    compiled: types.CodeType, lines: Sequence[Values], inputs: Inputs, assigned: set[str]
) -> list[Outcome]:
    first = lines[0]
    made: dict[str, Any] = {}

    def make(name: str, trained: bool = False) -> Any:
        if name not in made:
            value = first[name]
            made[name] = tf1.Variable(value) if trained else tf1.placeholder(value.dtype, value.shape)
        return made[name]

    with tf.Graph().as_default():
        tf1.set_random_seed(SEED)
        names = {**namespace(v1=True), "__input__": make}
        names |= {name: make(name) for name in first if name not in assigned}
        exec(compiled, names)
        output = _output(names, make, inputs)
        wanted = {name: node for name, node in made.items() if first[name].dtype.kind == "f"}
        gradients = dict(zip(wanted, tf1.gradients(output, list(wanted.values())), strict=True))
        present = {name: tf.convert_to_tensor(g) for name, g in gradients.items() if g is not None}
        variables = {name: node for name, node in made.items() if isinstance(node, tf.Variable)}
        start = [tf1.global_variables_initializer(), tf1.local_variables_initializer()]
        # The graph optimizer may turn log(softmax(x)) into log_softmax(x); a program must not rely on it.
        config = tf1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        found = []
        with tf1.Session(config=config) as session:
            session.run(start)
            for values in lines:
                for name, variable in variables.items():
                    variable.load(values[name], session)
                feed = {node: values[name] for name, node in made.items() if name not in variables}
                value, arrays = session.run((output, present), feed)
                found.append(Outcome(value, {name: arrays.get(name) for name in gradients}))
    return found


def _eagerly(
    compiled: types.CodeType, lines: Sequence[Values], inputs: Inputs, assigned: set[str]
) -> list[Outcome]:
    tf.keras.utils.set_random_seed(SEED)
    names: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    found = []
    for values in lines:
        with tf.GradientTape() as tape:
            made: dict[str, Any] = dict(variables)

            def make(name: str, trained: bool = False, made: Any = made, values: Values = values) -> Any:
                if name not in made:
                    made[name] = tf.Variable(values[name]) if trained else tf.constant(values[name])
                    if trained:
                        variables[name] = made[name]
                if values[name].dtype.kind == "f":
                    tape.watch(made[name])
                return made[name]

            given = {name: make(name) for name in values if name not in assigned}
            if names:
                names |= given
                for name, variable in variables.items():
                    variable.assign(values[name])
            else:
                names |= {**namespace(v1=False), "__input__": make, **given}
                exec(compiled, names)
            output = _output(names, make, inputs)
        wanted = {name: node for name, node in made.items() if values[name].dtype.kind == "f"}
        gradients = tape.gradient(output, wanted)
        arrays = {n: None if g is None else tf.convert_to_tensor(g).numpy() for n, g in gradients.items()}
        found.append(Outcome(output.numpy(), arrays))
    return found


def run_tensorflow_1(text: str) -> str:
    """Run a whole TensorFlow 1 script in a graph of its own and return what it prints."""
    printed = io.StringIO()
    with tf.Graph().as_default(), contextlib.redirect_stdout(printed):
        tf1.set_random_seed(SEED)
        exec(compile(text, "<program>", "exec"), namespace(v1=True))
    return printed.getvalue()
