"""Small TensorFlow programs as texts, drawn by Hypothesis from the shapes that losses are written in.

A program has inputs, something that squashes them, something that carries the result to where it is used, and
a loss; all of it in the names of one library, for one float format. `FAMILIES` are the shapes of losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

ROWS, CLASSES, FEATURES = 2, 3, 4

#: What the libraries call a function; "-" where they have none.
_TABLE = """
          tf1                    tf2                       ops                 K
log       tf.log                 tf.math.log               ops.log             K.log
log1p     tf.log1p               tf.math.log1p             ops.log1p           -
exp       tf.exp                 tf.exp                    ops.exp             K.exp
sqrt      tf.sqrt                tf.sqrt                   ops.sqrt            K.sqrt
square    tf.square              tf.square                 ops.square          K.square
pow       tf.pow                 tf.pow                    ops.power           K.pow
cos       tf.cos                 tf.cos                    ops.cos             K.cos
sum       tf.reduce_sum          tf.reduce_sum             ops.sum             K.sum
mean      tf.reduce_mean         tf.reduce_mean            ops.mean            K.mean
std       -                      tf.math.reduce_std        ops.std             K.std
var       -                      tf.math.reduce_variance   ops.var             K.var
norm      tf.norm                tf.norm                   ops.norm            -
softmax   tf.nn.softmax          tf.nn.softmax             ops.softmax         K.softmax
sigmoid   tf.sigmoid             tf.math.sigmoid           ops.sigmoid         K.sigmoid
relu      tf.nn.relu             tf.nn.relu                ops.relu            K.relu
clip      tf.clip_by_value       tf.clip_by_value          ops.clip            K.clip
maximum   tf.maximum             tf.maximum                ops.maximum         K.maximum
where     tf.where               tf.where                  ops.where           -
zeros     tf.zeros_like          tf.zeros_like             ops.zeros_like      K.zeros_like
reshape   tf.reshape             tf.reshape                ops.reshape         K.reshape
matmul    tf.matmul              tf.matmul                 ops.matmul          K.dot
cast      tf.cast                tf.cast                   ops.cast            K.cast
multiply  tf.multiply            tf.multiply               ops.multiply        -
negative  tf.negative            tf.negative               ops.negative        -
one_hot   tf.one_hot             tf.one_hot                -                   -
log_softmax tf.nn.log_softmax    tf.nn.log_softmax         ops.log_softmax     -
softplus  tf.nn.softplus         tf.nn.softplus            ops.softplus        K.softplus
logsumexp tf.reduce_logsumexp    tf.reduce_logsumexp       ops.logsumexp       -
"""
_HEADS = {
    "tf1": ("import tensorflow as tf", "import tensorflow.compat.v1 as tf\n\ntf.disable_v2_behavior()"),
    "tf2": ("import tensorflow as tf",),
    "ops": (
        "import tensorflow as tf\nfrom keras import ops",
        "import tensorflow as tf\nimport keras.ops as ops",
    ),
    "K": ("import tensorflow as tf\nfrom tensorflow.keras import backend as K",),
}


def _names() -> dict[str, dict[str, str]]:
    head, *rows = [row.split() for row in _TABLE.strip().splitlines()]
    return {
        library: {row[0]: row[column] for row in rows if row[column] != "-"}
        for column, library in enumerate(head, 1)
    }


NAMES = _names()

#: dtype -> a logit past which sigmoid, softmax and exp leave the format, and one at which digits are lost.
_FAR = {"float16": 20.0, "float32": 104.0, "float64": 800.0}
_MIDDLE = {"float16": 5.0, "float32": 12.0}
Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """A text, and what its inputs are set to.

    Attributes:
        ordinary: inputs that no format has trouble with.
        edges: inputs at which something saturates, overflows or is 0.
        dtype: the float format that it computes in.
        v1: written for TensorFlow 1.
        strict: its findings are those of `--strict`.
        twin: True where the same text with another format computes the same function.
    """

    text: str
    ordinary: tuple[Arrays, ...]
    edges: tuple[Arrays, ...]
    dtype: str
    v1: bool
    strict: bool
    twin: bool

    def __repr__(self) -> str:
        return f"Program of {self.dtype}:\n{self.text}"


@dataclass(slots=True)
class Writer:
    """A program that is being written: definitions, statements, inputs with ordinary and edge values."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    library: str
    dtype: str
    above: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    values: dict[str, tuple[list[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]] = field(
        default_factory=dict
    )
    script: bool = False
    trained: bool = False
    twin: bool = True
    weights: list[str] = field(default_factory=list)

    def one(self, *choices: Any) -> Any:
        """One of these; the first is the simplest."""
        return self.draw(st.sampled_from(choices))

    def has(self, *functions: str) -> bool:
        return all(function in NAMES[self.library] for function in functions)

    def call(self, function: str, *arguments: str) -> str:
        return f"{NAMES[self.library][function]}({', '.join(arguments)})"

    def over(self, function: str, x: str, axis: int | None = None, keepdims: bool = False) -> str:
        """A reduction, its axis written in one of the ways."""
        words = [x]
        if axis is not None:
            ways = [f"axis={axis}", f"axis={axis - 2}"]
            if function != "norm":  # whose second argument is its order
                ways += [str(axis)]
                ways += [f"reduction_indices=[{axis}]", f"[{axis}]"] if self.library == "tf1" else []
            words.append(self.one(*ways))
        if keepdims:
            words.append(self.one("keepdims=True", *(["keep_dims=True"] if self.library == "tf1" else [])))
        return self.call(function, *words)

    def name(self, text: str, name: str) -> str:
        """A name for an expression."""
        self.body.append(f"{name} = {text}")
        return name

    def input(self, name: str, shape: tuple[int, ...], ordinary: list[Any], edges: list[Any]) -> str:
        """An input: a placeholder, a parameter, or a variable of the module."""
        self.values[name] = tuple([np.asarray(v, self.dtype) for v in kind] for kind in (ordinary, edges))  # type: ignore[assignment]
        if self.script:
            sizes = ", ".join(["None", *map(str, shape[1:])])
            self.above.append(f"{name} = tf.placeholder(tf.{self.dtype}, [{sizes}])")
            return name
        self.parameters.append(name)
        if self.dtype == "float32" and self.one(True, False):
            return name
        dtype = f"tf.{self.dtype}" if self.library in ("tf1", "tf2") else f'"{self.dtype}"'
        return self.name(self.call("cast", name, dtype), name)

    def variable(self, name: str, shape: tuple[int, ...], ordinary: list[Any], edges: list[Any]) -> str:
        self.values[name] = tuple([np.asarray(v, self.dtype) for v in kind] for kind in (ordinary, edges))  # type: ignore[assignment]
        made = (
            "tf.random.normal"
            if self.library != "tf1"
            else self.one("tf.random_normal", "tf.truncated_normal")
        )
        self.above.append(f"{name} = tf.Variable({made}({list(shape)}, stddev=0.1, dtype=tf.{self.dtype}))")
        self.weights.append(name)
        return name

    def finished(self, loss: str, strict: bool) -> Program:
        head = self.one(*_HEADS[self.library])
        texts = [head, "", *self.above]
        if self.script:
            texts += [*self.body, f"loss = {loss}"]
            if self.trained and self.weights:
                texts.append("train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)")
        else:
            traced = self.library == "tf2" and self.one(False, True)
            name = "compute" if traced else "program"
            signature = f"def {name}({', '.join(self.parameters)}):"
            texts += ["", "", *(["@tf.function"] if traced else []), signature]
            texts += [f"    {line}" for line in self.body] + [f"    return {loss}"]
            if traced:
                given = ", ".join(self.parameters)
                texts += ["", "", f"def program({given}):", f"    return compute({given})"]
            if self.trained:
                texts += ["", "", f"def gradients({', '.join(self.parameters)}):"]
                texts += ["    with tf.GradientTape() as tape:"]
                texts += [f"        loss = program({', '.join(self.parameters)})"]
                texts += [f"    return tape.gradient(loss, [{', '.join(self.weights)}])"]
        ordinary, edges = (
            tuple(
                {name: both[kind][min(i, len(both[kind]) - 1)] for name, both in self.values.items()}
                for i in range(max(len(both[kind]) for both in self.values.values()))
            )
            for kind in (0, 1)
        )
        text = "\n".join(texts) + "\n"
        return Program(text, ordinary, edges, self.dtype, self.library == "tf1", strict, self.twin)


def _random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def _shares(*shape: int) -> np.ndarray[Any, Any]:
    """Soft labels: positive, of sum 1."""
    raw = np.random.default_rng(7).uniform(0.1, 1, size=shape)
    return raw / raw.sum(-1, keepdims=True)


def _logit_edges(dtype: str, classes: int) -> list[np.ndarray[Any, Any]]:
    far = _FAR[dtype]
    rows = [[0.0, 0.0], [far, -far], [-far, far], [far, far], [-far, -far], [far, 0.0]]
    if dtype in _MIDDLE:
        rows += [[_MIDDLE[dtype], -_MIDDLE[dtype]]]
    if dtype != "float16":
        rows += [[-1e4, 0.0]]
    return [
        np.array([([a, b] * classes)[:classes], ([b, a] * classes)[:classes]], "float64") for a, b in rows
    ]


def _logits(w: Writer, classes: int = CLASSES, name: str = "logits", positive: bool = False) -> str:
    """Logits: an input, or a linear layer's output; ordinary ones are above 0 where `positive`."""
    edges = _logit_edges(w.dtype, classes)

    def ordinary(*shape: int) -> Any:
        drawn = _random(*shape)
        return np.abs(drawn) + 0.5 if positive else drawn

    way = w.one(*([] if w.trained else ["input", "dense"]), "matmul", "bias")
    if way == "input" or (way == "dense" and (w.library == "tf1" or w.dtype != "float32")):
        return w.input(name, (ROWS, classes), [ordinary(ROWS, classes)], edges)
    if way == "dense":
        w.twin = False  # its weights are random numbers, others in another format
        w.above.append(f"{name}_layer = tf.keras.layers.Dense({classes})")
        x = w.input(
            f"{name}_x", (ROWS, FEATURES), [ordinary(ROWS, FEATURES)], [ordinary(ROWS, FEATURES) * 1e4]
        )
        return w.name(f"{name}_layer({x})", name)
    x = w.input(f"{name}_x", (ROWS, FEATURES), [ordinary(ROWS, FEATURES)], [np.eye(ROWS, FEATURES)])
    kernel = w.variable(
        f"{name}_w",
        (FEATURES, classes),
        [ordinary(FEATURES, classes)],
        [np.vstack([edge, np.zeros((FEATURES - ROWS, classes))]) for edge in edges],
    )
    product = w.call("matmul", x, kernel)
    if way == "bias":
        product = (
            f"{product} + {w.variable(f'{name}_b', (classes,), [ordinary(classes)], [np.zeros(classes)])}"
        )
    return w.name(product, name)


def _softmax(w: Writer, z: str) -> str:
    """A softmax of the classes, of the library or by hand."""
    exps = w.call("exp", z)
    hand = f"{exps} / {w.over('sum', exps, 1, keepdims=True)}"
    return str(w.one(w.call("softmax", z), w.call("softmax", z, "axis=-1"), w.call("softmax", z), hand))


def _sigmoid(w: Writer, z: str) -> str:
    plain = w.call("sigmoid", z)
    turned, exps = w.call("exp", f"-{z}"), w.call("exp", z)
    return str(
        w.one(plain, plain, f"1 / (1 + {turned})", f"1.0 / ({turned} + 1.0)", f"{exps} / (1 + {exps})")
    )


Squash = Callable[[Writer, str], str]


def _carried(w: Writer, squash: Squash, z: str, name: str = "p", classes: int = CLASSES) -> str:
    """The squashed logits, where something has carried them."""
    way = w.one(
        "name", "direct", "function", "tuple", "lambda", "dict", "attribute", "method", "list", "reshape"
    )
    if way == "direct":
        return f"({squash(w, z)})"
    if way == "name":
        return w.name(squash(w, z), name)
    if way == "reshape":
        return w.name(w.call("reshape", squash(w, z), f"[-1, {classes}]"), name)
    if way == "dict":
        w.body.append(f'outputs_{name} = {{"logits": {z}, "{name}": {squash(w, z)}}}')
        return f'outputs_{name}["{name}"]'
    if way == "list":
        w.body.append(f"list_{name} = [{z}, {squash(w, z)}]")
        return f"list_{name}[1]"
    if way == "lambda":
        w.above.append(f"squash_{name} = lambda t: {squash(w, 't')}")
        return w.name(f"squash_{name}({z})", name)
    if way == "function":
        w.above.append(f"def squash_{name}(t):\n    return {squash(w, 't')}\n")
        return w.name(f"squash_{name}({z})", name)
    if way == "tuple":
        w.above.append(f"def outputs_{name}(t):\n    return t, {squash(w, 't')}\n")
        w.body.append(f"same_{name}, {name} = outputs_{name}({z})")
        return name
    if way == "attribute":
        w.above.append(
            f"class Net_{name}:\n    def __init__(self, t):\n        self.logits = t\n"
            f"        self.{name} = {squash(w, 'self.logits')}\n"
        )
        w.body.append(f"net_{name} = Net_{name}({z})")
        return f"net_{name}.{name}"
    w.above.append(f"class Net_{name}:\n    def {name}(self, t):\n        return {squash(w, 't')}\n")
    return w.name(f"Net_{name}().{name}({z})", name)


def _product(w: Writer, a: str, b: str) -> str:
    ways = [f"{a} * {b}", f"{b} * {a}"]
    if w.has("multiply"):
        ways.append(w.call("multiply", a, b))
    return str(w.one(*ways))


def _labels(w: Writer, classes: int = CLASSES) -> str:
    """Labels: soft or one-hot as they come, of ids, or smoothed."""
    hot = np.eye(max(classes, 2))[:ROWS, :classes]
    way = w.one("given", "ids", "smoothed", "given")
    if way == "ids" and w.has("one_hot") and classes > 1:
        ids = w.input("ids", (ROWS,), [np.arange(ROWS)], [np.arange(ROWS)])
        ids = w.call("cast", ids, "tf.int32")
        return w.name(w.call("one_hot", ids, str(classes), f"dtype=tf.{w.dtype}"), "labels")
    soft = _shares(ROWS, classes) if classes > 1 else np.array([[0.3], [0.8]])
    labels = w.input("labels", (ROWS, classes), [hot, soft], [hot])
    return w.name(f"{labels} * 0.9 + 0.1 / {classes}", "labels") if way == "smoothed" else labels


def _weights(w: Writer) -> str:
    return w.input("weights", (ROWS,), [np.array([0.5, 2.0])], [np.array([0.0, 1.0])])


def _helper(w: Writer, loss: Callable[[str, str], str], y: str, p: str) -> str:
    """The loss where it stands, or in a function of its own."""
    if w.one(True, True, False):
        return loss(y, p)
    w.above.append(f"def cost(y_true, y_pred):\n    return {loss('y_true', 'y_pred')}\n")
    return f"cost({y}, {p})"


def _mean_of_rows(w: Writer, rows: Callable[[], str]) -> str:
    """A loss of what is the log-likelihood of each row."""
    way = w.one("-mean", "mean-", "sum", "weights", "mask", "rows", "scaled", "negative")
    if way == "weights":
        return f"-{w.over('mean', _product(w, _weights(w), rows()))}"
    if way == "mask":
        mask = _weights(w)
        return f"-{w.over('sum', _product(w, mask, rows()))} / ({w.over('sum', mask)} + 1e-3)"
    if way == "negative" and w.has("negative"):
        return w.call("negative", w.over("mean", rows()))
    text = rows()
    return {
        "mean-": w.over("mean", f"-{text}"),
        "sum": f"-{w.over('sum', text)}",
        "rows": f"-{text}",
        "scaled": f"-1.0 * {w.over('mean', text)} / 2.0",
    }.get(way, f"-{w.over('mean', text)}")


def likelihood_of_classes(w: Writer) -> str:
    """Cross entropy of a softmax, with signs, reductions, weights, masks, class weights, smoothing."""
    z = _logits(w)
    p, y = _carried(w, _softmax, z), _labels(w)
    weighted = w.one("", "[1.0, 2.0, 0.5] * ")

    def rows(y: str, p: str) -> str:
        product = _product(w, y, w.call("log", p))
        return w.over("sum", f"{weighted}{product}", 1)

    whole = w.one(False, False, True)
    if whole:
        reduction = w.one("mean", "sum")
        return _helper(w, lambda y, p: f"-{w.over(reduction, _product(w, y, w.call('log', p)))}", y, p)
    return _mean_of_rows(w, lambda: _helper(w, rows, y, p))


def likelihood_of_two(w: Writer) -> str:
    """Binary cross entropy of a sigmoid: both terms, orders, signs, weights of the positives, focal."""
    z = _logits(w, 1)
    s, y = _carried(w, _sigmoid, z, "s", 1), _labels(w, 1)
    kind = w.one("plain", "signs", "turned", "positive", "focal", "rows")

    def loss(y: str, s: str) -> str:
        ones, zeros = w.call("log", s), w.call("log", f"1 - {s}")
        rest = w.one(f"(1 - {y})", f"(1.0 - {y})")
        if kind == "signs":
            return w.over("mean", f"-{y} * {ones} - {rest} * {zeros}")
        if kind == "turned":
            return f"-{w.over('mean', f'{_product(w, rest, zeros)} + {_product(w, y, ones)}')}"
        if kind == "positive":
            return f"-{w.over('mean', f'2.0 * {y} * {ones} + {rest} * {zeros}')}"
        if kind == "focal":
            return f"-{w.over('mean', f'{y} * (1 - {s}) ** 2 * {ones} + {rest} * {s} ** 2 * {zeros}')}"
        pair = f"{_product(w, y, ones)} + {_product(w, rest, zeros)}"
        return f"-{w.over('sum', pair, 1)}" if kind == "rows" else f"-{w.over('mean', pair)}"

    return _helper(w, loss, y, s)


def adversarial(w: Writer) -> str:
    """Logs of a sigmoid and of what it leaves, of two networks."""
    real = _carried(w, _sigmoid, _logits(w, 1, "real"), "s", 1)
    fake = _carried(w, _sigmoid, _logits(w, 1, "fake"), "t", 1)
    sides = f"{w.call('log', real)} + {w.call('log', f'1 - {fake}')}"
    if w.has("log1p") and w.one(False, True):
        sides = f"{w.call('log', real)} + {w.call('log1p', f'-{fake}')}"
    return f"-{w.over('mean', sides)}"


def divergences(w: Writer) -> str:
    """Entropies and Kullback-Leibler divergences."""
    p = _carried(w, _softmax, _logits(w))
    kind = w.one("entropy", "labels", "ratio", "difference")
    if kind == "entropy":
        return w.over("mean", w.over("sum", _product(w, p, w.call("log", p)), 1))
    if kind == "labels":
        y = w.input("labels", (ROWS, CLASSES), [_shares(ROWS, CLASSES)], [_shares(ROWS, CLASSES)])
        return w.over("mean", w.over("sum", f"{y} * {w.call('log', f'{y} / {p}')}", 1))
    q = _carried(w, _softmax, _logits(w, name="others"), "q")
    if kind == "ratio":
        return w.over("sum", f"{p} * {w.call('log', f'{p} / {q}')}")
    return w.over("sum", f"{p} * ({w.call('log', p)} - {w.call('log', q)})")


def exponentials(w: Writer) -> str:
    """What is written with an exp, and has a form that does not overflow."""
    z = _logits(w)
    exps = w.call("exp", z)
    kind = w.one("logsumexp", "softplus", "sigmoid", "softmax", "tanh", "root", "log1p", "named")
    if kind == "named":
        exps = w.name(exps, "e")
        return w.over("mean", f"{exps} / {w.over('sum', exps, 1, keepdims=True)}", w.one(None, 0))
    if kind == "tanh":
        turned = w.call("exp", f"-{z}")
        return w.over("mean", f"({exps} - {turned}) / ({exps} + {turned})")
    if kind == "log1p" and w.has("log1p"):
        return w.over("mean", w.call("log1p", exps))
    return str(
        {
            "softplus": w.over("sum", w.call("log", w.one(f"1 + {exps}", f"{exps} + 1.0"))),
            "sigmoid": w.over("sum", _sigmoid(w, z), 1),
            "softmax": w.over("sum", w.call("square", _softmax(w, z))),
            "root": w.over("mean", w.call("sqrt", exps)),
        }.get(kind, w.over("mean", w.call("log", w.over("sum", exps, 1, keepdims=w.one(False, True)))))
    )


def spreads(w: Writer) -> str:
    """Deviations from the mean over the standard deviation: of data, or of what is trained."""
    data = np.column_stack([_random(ROWS, FEATURES), np.ones(ROWS)])[:, 1:]
    x = w.input("x", (ROWS, FEATURES), [_random(ROWS, FEATURES)], [data, np.ones((ROWS, FEATURES))])
    kernel = w.variable("w", (FEATURES, 1), [_random(FEATURES, 1)], [_random(FEATURES, 1)])
    axis = w.one(0, 1)
    keep = bool(axis)
    mean = w.over("mean", x, axis, keep)
    if w.library in ("tf1", "tf2") and axis == 0 and w.one(True, False):
        w.body.append(f"mean, variance = tf.nn.moments({x}, axes=[0])")
        mean, std = "mean", w.call("sqrt", "variance")
    elif w.has("std") and w.one(True, False):
        std = w.over("std", x, axis, keep)
    elif w.has("var"):
        std = w.call("sqrt", w.over("var", x, axis, keep))
    else:
        mean = w.name(mean, "mean")
        std = w.call("sqrt", w.over("mean", w.call("square", f"{x} - {mean}"), axis, keep))
    scaled = w.name(f"({x} - {mean}) / {std}", "scaled")
    return w.over("mean", w.call("square", w.call("matmul", scaled, kernel)))


def roots(w: Writer) -> str:
    """Roots of sums of squares, which are 0 where prediction and target meet."""
    z = _logits(w)
    y = w.input("targets", (ROWS, CLASSES), [_random(ROWS, CLASSES) + 1], [np.zeros((ROWS, CLASSES))])
    difference = w.one(f"{z} - {y}", f"{y} - {z}")
    squares = w.one(w.call("square", difference), f"({difference}) ** 2")
    kind = w.one("rmse", "distance", "norm", "unit", "power")
    if kind == "norm" and w.has("norm"):
        return w.over("mean", w.over("norm", difference, 1))
    if kind == "unit":
        length = w.call("sqrt", w.over("sum", w.call("square", z), 1, True))
        return w.over("sum", f"{y} * ({z} / {length})")
    if kind == "power":
        return w.over("mean", w.call("pow", w.over("sum", squares, 1), "0.5"))
    if kind == "distance":
        return w.over("mean", w.call("sqrt", w.over("sum", squares, 1)))
    return w.call("sqrt", w.over("mean", squares))


def choices(w: Writer) -> str:
    """Functions inside of a `where` that chooses the other side."""
    z = _logits(w, positive=True)
    r = w.name(w.call("relu", z), "r")
    inner = w.one(w.call("log", r), f"1.0 / {r}", w.call("pow", r, "-0.5"), f"{z} / {r}")
    zero = w.call("zeros", r)
    chosen = w.one(
        w.call("where", f"{r} > 0", inner, zero),
        w.call("where", f"{r} <= 0", zero, inner),
    )
    return w.over("mean", chosen)


def guards(w: Writer) -> str:
    """Logs that somebody guarded, well or not."""
    # In float16 the value of log(1e-7) is finite and its gradient, 1e7, is not.
    small = w.one("1e-10", "1e-8", "1e-3", *([] if w.dtype == "float16" else ["1e-7"]))
    if w.one(False, True):
        s = _carried(w, _sigmoid, _logits(w, 1), "s", 1)
        y = _labels(w, 1)
        kind = w.one("added", "first", "clip", "turned", "outside", "maximum")
        ones, zeros = w.call("log", f"{s} + {small}"), w.call("log", f"1 - {s} + {small}")
        if kind == "first":
            ones, zeros = w.call("log", f"{small} + {s}"), w.call("log", f"{small} + 1 - {s}")
        elif kind == "outside":
            ones, zeros = f"({w.call('log', s)} + {small})", f"({w.call('log', f'1 - {s}')} + {small})"
        elif kind == "maximum":
            ones = w.call("log", w.call("maximum", s, small))
            zeros = w.call("log", w.call("maximum", f"1 - {s}", small))
        elif kind in ("clip", "turned"):
            s = w.name(w.call("clip", s, small, f"1 - {small}" if kind == "clip" else "1.0"), "clipped")
            ones, zeros = w.call("log", s), w.call("log", f"1 - {s}")
        return f"-{w.over('mean', f'{y} * {ones} + (1 - {y}) * {zeros}')}"
    p, y = _carried(w, _softmax, _logits(w)), _labels(w)
    operand = w.one(
        f"{p} + {small}", f"{small} + {p}", w.call("clip", p, small, "1.0"), w.call("maximum", p, small)
    )
    logs = w.call("log", operand)
    return f"-{w.over('mean', w.over('sum', f'{y} * {logs}', 1))}"


def edges_of_domains(w: Writer) -> str:
    """Operands that nobody keeps inside of where the function is defined."""
    z = _logits(w, positive=True)
    kind = w.one("log", "divide", "power", "log1p")
    if kind == "divide":
        return w.over("mean", f"1.0 / {_carried(w, _sigmoid, z, 's')}")
    if kind == "power":
        return w.over("mean", w.call("pow", z, "0.5"))
    if kind == "log1p" and w.has("log1p"):
        return w.over("mean", w.call("log1p", f"-{w.call('sigmoid', z)}"))
    r = w.name(w.call("relu", z), "r")
    return w.over("mean", f"{r} - {w.call('log', r)}")


def lost_digits(w: Writer) -> str:
    """Differences of nearly equal numbers, for which there are functions."""
    z = w.input("x", (ROWS, CLASSES), [_random(ROWS, CLASSES)], [_random(ROWS, CLASSES) * 1e-3])
    kind = w.one("expm1", "log1p", "cos", "variance")
    if kind == "expm1":
        return w.over("mean", f"{w.call('exp', z)} - 1")
    if kind == "log1p":
        return w.over("mean", w.call("log", f"1 + {w.call('square', z)}"))
    if kind == "cos":
        return w.over("mean", f"1 - {w.call('cos', z)}")
    axis = w.one(0, 1)
    mean = w.name(w.over("mean", z, axis), "mean")
    return w.over("mean", f"{w.over('mean', w.call('square', z), axis)} - {w.call('square', mean)}")


def stable(w: Writer) -> str:
    """Losses of which nothing is wrong."""
    kind = w.one("log_softmax", "fused", "softplus", "logsumexp", "squares")
    z = _logits(w)
    if kind == "log_softmax" and w.has("log_softmax"):
        return _mean_of_rows(w, lambda: w.over("sum", f"{_labels(w)} * {w.call('log_softmax', z)}", 1))
    if kind == "fused":
        y = _labels(w)
        return w.over("mean", f"tf.nn.softmax_cross_entropy_with_logits(labels={y}, logits={z})")
    if kind == "softplus":
        return w.over("mean", w.call("softplus", z))
    if kind == "logsumexp" and w.has("logsumexp"):
        return w.over("mean", w.over("logsumexp", z, 1))
    y = w.input("targets", (ROWS, CLASSES), [_random(ROWS, CLASSES)], [np.zeros((ROWS, CLASSES))])
    return w.over("mean", w.call("square", f"{z} - {y}"))


@dataclass(frozen=True, slots=True)
class Family:
    """Programs with one kind of loss.

    Attributes:
        loss: writes the loss.
        codes: rules whose fixes have to come up among the programs.
        libraries: those that have what it needs.
        strict: its findings are those of `--strict`.
        trained: its findings are only shown where a gradient is taken.
    """

    loss: Callable[[Writer], str]
    codes: frozenset[str]
    libraries: tuple[str, ...] = ("tf2", "tf1", "K", "ops")
    strict: bool = False
    trained: bool = False

    @property
    def name(self) -> str:
        return self.loss.__name__

    def programs(self) -> st.SearchStrategy[Program]:
        """All of its programs."""

        @st.composite
        def drawn(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Program:
            library = draw(st.sampled_from(self.libraries))
            dtype = draw(st.sampled_from(("float32", "float32", "float64", "float16")))
            writer = Writer(draw, library, dtype)
            writer.script = library == "tf1" and (self.trained or draw(st.booleans()))
            writer.trained = self.trained or (writer.script and draw(st.booleans()))
            return writer.finished(self.loss(writer), self.strict)

        return drawn()


def _family(loss: Callable[[Writer], str], *codes: int, **options: Any) -> Family:
    return Family(loss, frozenset(f"NAN{code}" for code in codes), **options)


FAMILIES = (
    _family(likelihood_of_classes, 101, 107),
    _family(likelihood_of_two, 102, 107),
    _family(adversarial, 102),
    _family(divergences, 114),
    _family(exponentials, 107),
    _family(spreads, 105),
    _family(roots, 106, trained=True),
    _family(choices, 108, libraries=("tf2", "tf1", "ops"), trained=True),
    _family(guards, 104),
    _family(edges_of_domains, 103, 105, 110),
    _family(lost_digits, 111, strict=True),
    _family(stable),
)
