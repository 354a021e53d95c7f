"""The Rewriter, on programs that the build has read: names, hoists, parentheses, arguments, statements."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import libcst as cst
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflint_nan.build import build
from tflint_nan.expression import fill, meaning
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph
from tflint_nan.ops.generations import is_v1_only, is_v2_only
from tflint_nan.ops.table import APIS
from tflint_nan.parse import parse_expression
from tflint_nan.rewrite import Rewriter
from tflint_nan.source import Source
from tflint_nan.value import Op

Change = Callable[[Rewriter, Op], None]


def graph_of(text: str) -> tuple[Source, Graph]:
    source = Source("case.py", textwrap.dedent(text))
    return source, build(source, {})


def fix(text: str, name: str, change: Change, index: int = 0) -> Fix | None:
    """The fix that `change` makes of the op called `name` (the `index`-th)."""
    _, graph = graph_of(text)
    op = list(graph.ops(name))[index]
    rewriter = Rewriter(graph, op)
    change(rewriter, op)
    return rewriter.fix(Applicability.SAFE, "message")


def rewritten(text: str, name: str, change: Change, index: int = 0) -> str | None:
    made = fix(text, name, change, index)
    after = None if made is None else Source("case.py", textwrap.dedent(text)).edit(made.edits)
    assert after is None or after.tree is not None
    return None if after is None else after.text


def log_softmax(r: Rewriter, op: Op) -> None:
    """`log(softmax(z))` to `log_softmax(z)`."""
    softmax = op.arg("x").op
    assert softmax is not None
    assert softmax.name == "softmax"
    logits = r.spell(softmax.arg("x"), "logits")
    f = r.api("tf.nn.log_softmax")
    if logits is None or f is None:
        r.replace(op.node, "impossible")
        r.remove_statement(None)
        return
    r.replace(op.node, "{f}({logits})", f=f, logits=logits)


def log_softmaxed(text: str) -> str | None:
    return rewritten(text, "log", log_softmax)


HEAD = "import tensorflow as tf\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # A name that holds the logits.
        (
            "z = net(x)\np = tf.nn.softmax(z)\nl = tf.log(p)",
            "z = net(x)\np = tf.nn.softmax(z)\nl = tf.nn.log_softmax(z)",
        ),
        # The first name that held them holds something else by now.
        (
            "z = net(x)\nw = z\np = tf.nn.softmax(z)\nz = 3\nl = tf.log(p)",
            "z = net(x)\nw = z\np = tf.nn.softmax(z)\nz = 3\nl = tf.nn.log_softmax(w)",
        ),
        # No name: the expression gets one.
        (
            "p = tf.nn.softmax(net(x))\nl = tf.log(p)",
            "logits = net(x)\np = tf.nn.softmax(logits)\nl = tf.nn.log_softmax(logits)",
        ),
        # The wanted name is taken; a keyword argument of that name does not take it.
        (
            "logits = 3\np = tf.nn.softmax(net(x))\nl = tf.log(p)",
            "logits = 3\nlogits_1 = net(x)\np = tf.nn.softmax(logits_1)\nl = tf.nn.log_softmax(logits_1)",
        ),
        (
            "p = tf.nn.softmax(logits=net(x))\nl = tf.log(p)",
            "logits = net(x)\np = tf.nn.softmax(logits=logits)\nl = tf.nn.log_softmax(logits)",
        ),
        # The only name is bound to another value when the log is taken.
        (
            "z = net(x)\np = tf.nn.softmax(z)\nz = 3\nl = tf.log(p)",
            "z = net(x)\nlogits = z\np = tf.nn.softmax(logits)\nz = 3\nl = tf.nn.log_softmax(logits)",
        ),
        # All in one expression: moved, not copied, and not given a name.
        ("l = tf.log(tf.nn.softmax(net(x)))", "l = tf.nn.log_softmax(net(x))"),
        (
            "f = lambda x: tf.log(tf.nn.softmax(net(x)))\nf(3)",
            "f = lambda x: tf.nn.log_softmax(net(x))\nf(3)",
        ),
        (
            "l = [tf.log(tf.nn.softmax(net(i))) for i in range(3)]",
            "l = [tf.nn.log_softmax(net(i)) for i in range(3)]",
        ),
        # An expression over several lines, with a comment in it.
        (
            "p = tf.nn.softmax(net(x) +  # affine\n                  b)\nl = tf.log(p)",
            "logits = (net(x) +  # affine\n                  b)\np = tf.nn.softmax(logits)\n"
            "l = tf.nn.log_softmax(logits)",
        ),
        # Elements are read again.
        (
            "z = [net(x), net(x)]\np = tf.nn.softmax(z[0])\nl = tf.log(p)",
            "z = [net(x), net(x)]\np = tf.nn.softmax(z[0])\nl = tf.nn.log_softmax(z[0])",
        ),
        # Under `with`, what was computed there is still there after it.
        (
            "with tf.name_scope('a'):\n    p = tf.nn.softmax(net(x))\nl = tf.log(p)",
            "with tf.name_scope('a'):\n    logits = net(x)\n    p = tf.nn.softmax(logits)\n"
            "l = tf.nn.log_softmax(logits)",
        ),
        # In a function, from the scope around it.
        (
            "z = net(x)\np = tf.nn.softmax(z)\ndef f():\n    return tf.log(p)\nf()",
            "z = net(x)\np = tf.nn.softmax(z)\ndef f():\n    return tf.nn.log_softmax(z)\nf()",
        ),
        # Parentheses around the replaced expression stay, `return(` included.
        (
            "def f(z):\n    return(tf.log(tf.nn.softmax(z)))\nf(net(x))",
            "def f(z):\n    return(tf.nn.log_softmax(z))\nf(net(x))",
        ),
        # Comments inside what is replaced go before the statement.
        (
            "z = net(x)\nl = tf.log(  # why\n    tf.nn.softmax(z))",
            "z = net(x)\n# why\nl = tf.nn.log_softmax(z)",
        ),
    ],
)
def test_logits_are_spelled(body: str, expected: str) -> None:
    assert log_softmaxed(HEAD + body + "\n") == HEAD + expected + "\n"


@pytest.mark.parametrize(
    "body",
    [
        # Made by another function.
        "def net(x):\n    return tf.nn.softmax(tf.matmul(x, w))\nl = tf.log(net(x))",
        # A layer's op stands at its constructor, and nothing there denotes its output.
        "p = tf.keras.layers.Dense(3, activation='softmax')(x)\nl = tf.log(p)",
        # Several statements in a line.
        "p = tf.nn.softmax(net(x)); q = 1\nl = tf.log(p)",
        # The statement is not in a block of its own.
        "if c: p = tf.nn.softmax(net(x)); l = tf.log(p)",
        # Evaluated only sometimes, or more than once.
        "p = [tf.nn.softmax(net(i)) for i in range(3)][0]\nl = tf.log(p)",
    ],
)
def test_what_cannot_be_spelled_is_no_fix(body: str) -> None:
    assert log_softmaxed(HEAD + body + "\n") is None


def test_a_name_of_one_branch_is_not_read_after_it() -> None:
    text = HEAD + "p = net(x)\nif c:\n    z = net(x)\n    p = tf.nn.softmax(z)\nl = tf.log(p)\n"
    _, graph = graph_of(text)
    log = next(graph.ops("log"))
    softmax = log.arg("x").made_by("softmax")
    assert softmax is not None
    rewriter = Rewriter(graph, log)
    assert rewriter.spell(softmax.arg("x")) is None


def test_a_name_that_the_other_branch_binds_is_no_obstacle() -> None:
    text = HEAD + "z = net(x)\nif c:\n    z = 1\nelse:\n    p = tf.nn.softmax(z)\n    l = tf.log(p)\n"
    assert log_softmaxed(text) == text.replace("tf.log(p)", "tf.nn.log_softmax(z)")


@pytest.mark.parametrize(
    "expression",
    [
        "tf.nn.softmax(net(x)) if c else b",
        "c and tf.nn.softmax(net(x))",
        "c if c else (d or tf.nn.softmax(net(x)))",
        "(lambda: tf.nn.softmax(net(x)))()",
    ],
)
def test_what_is_evaluated_only_sometimes_is_not_moved(expression: str) -> None:
    _, graph = graph_of(HEAD + f"p = {expression}\nl = tf.log(q)\n")
    softmax = next(graph.ops("softmax"))
    assert Rewriter(graph, next(graph.ops("log"))).spell(softmax.arg("x")) is None


def test_an_expression_that_is_used_twice_gets_a_name() -> None:
    def change(r: Rewriter, op: Op) -> None:
        softmax = op.arg("x").op
        assert softmax is not None
        z = r.spell(softmax.arg("x"), "logits")
        r.replace(op.node, "{z} - tf.reduce_logsumexp({z})", z=z)

    text = HEAD + "def f(x):\n    return 2 * tf.log(tf.nn.softmax(net(x)))\nf(1)\n"
    assert rewritten(text, "log", change) == HEAD + (
        "def f(x):\n    logits = net(x)\n    return 2 * (logits - tf.reduce_logsumexp(logits))\nf(1)\n"
    )


def test_an_attribute_that_holds_the_value() -> None:
    text = HEAD + textwrap.dedent(
        """
        class Net:
            def __init__(self, x):
                self.logits = net(x)
                self.p = tf.nn.softmax(self.logits)

            def loss(self):
                return tf.log(self.p)

        Net(x).loss()
        """
    )
    assert log_softmaxed(text) == text.replace("tf.log(self.p)", "tf.nn.log_softmax(self.logits)")


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("-1", "-1"),
        ("1e-7", "1e-07"),
        ("'mean'", "'mean'"),
        # It may stand for what only this caller leaves out.
        ("None", None),
        ("(0, 1)", "(0, 1)"),
        ("[2]", "[2]"),
    ],
)
def test_literals(literal: str, expected: str | None) -> None:
    _, graph = graph_of(HEAD + f"y = tf.reduce_sum(x, axis={literal})\n")
    total = next(graph.ops("sum"))
    assert Rewriter(graph, total).spell(total.arg("axis")) == expected


def test_a_parameter_is_not_frozen_to_one_caller_s_number() -> None:
    _, graph = graph_of(
        HEAD + "def f(x, axis):\n    return tf.log(tf.nn.softmax(x, axis - 1))\nf(net(x), 1)\nf(net(x), 2)\n"
    )
    log = next(graph.ops("log"))
    softmax = log.arg("x").op
    assert softmax is not None
    assert Rewriter(graph, log).spell(softmax.arg("axis")) == "axis - 1"


@pytest.mark.parametrize(
    ("string", "new", "fits"),
    [
        ("f'{@}'", "x", True),
        ("f'{@}'", "f(x, 'a')", False),
        ("f'{@}'", 'f(x, "a")', True),
        ('f"{@}"', 'f(x, "a")', False),
        ("rf'{1} {@:>{w}} {2!r}'", "x['a']", False),
        ('f"""{@}"""', 'f(x, "a")', True),
        ('f"""{@}"""', 'f(x, """a""")', False),
        ('f"""{@}"""', "f(x,\n1)", True),
        ("f'{@}'", "f(x,\n1)", False),
        ("f'{@}'", 'f(x, "\\t")', False),
        ("f'{@}'", 'f(x, "#")', False),
        # Not in the string.
        ("@, f'{1}'", "f(x, 'a')", True),
        ("'{@}'.format(@)", "f(x, 'a')", True),
        ("f'{1}' + @", "f(x, 'a')", True),
    ],
)
def test_old_pythons_read_what_is_put_into_an_f_string(string: str, new: str, fits: bool) -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.replace(op.node, new)

    before, after = (HEAD + f"y = {string}\n".replace("@", part) for part in ("tf.log(x)", new))
    got = rewritten(before, "log", change)
    assert (got is not None) == fits
    if fits and "format" not in string:
        assert got == after


# Library names.


@pytest.mark.parametrize(
    ("imports", "call", "expected"),
    [
        ("import tensorflow as tf", "tf.log", "tf.nn.log_softmax"),
        ("import tensorflow as T", "T.log", "T.nn.log_softmax"),
        ("import tensorflow", "tensorflow.log", "tensorflow.nn.log_softmax"),
        ("import tensorflow.compat.v1 as tf", "tf.log", "tf.nn.log_softmax"),
        ("from tensorflow import nn, math", "math.log", "nn.log_softmax"),
        ("from tensorflow.nn import log_softmax\nfrom tensorflow import math", "math.log", "log_softmax"),
        ("from tensorflow.nn import log_softmax as ls\nimport tensorflow as tf", "tf.log", "ls"),
    ],
)
def test_names_as_the_file_spells_them(imports: str, call: str, expected: str) -> None:
    def change(r: Rewriter, op: Op) -> None:
        f = r.api("tf.nn.log_softmax")
        r.replace(op.node, "{f}(x)", f=f)

    text = f"{imports}\ny = {call}(x)\n"
    assert rewritten(text, "log", change) == f"{imports}\ny = {expected}(x)\n"


@pytest.mark.parametrize(
    ("imports", "call", "expected"),
    [
        (
            "try:\n    import tensorflow as T\nexcept ImportError:\n    T = None\n",
            "T.log",
            "T.nn.log_softmax",
        ),
        ("if c:\n    import tensorflow as T\nelse:\n    import other as T\n", "T.log", None),
        ("try:\n    import keras.backend as K\nexcept ImportError:\n    K = None\n", "K.log", None),
        ("try:\n    from tensorflow import log\nexcept ImportError:\n    log = None\n", "log", None),
    ],
)
def test_a_name_that_is_bound_in_several_branches(imports: str, call: str, expected: str | None) -> None:
    _, graph = graph_of(f"{imports}y = {call}(x)\n")
    log = next(graph.ops("log"))
    assert Rewriter(graph, log).api("tf.nn.log_softmax") == (expected or "tf.nn.log_softmax")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # After the docstring, the future and the comments; in the order of the others.
        (
            '# Licence\n"""Doc."""\nfrom __future__ import division\n\n# numbers\nimport numpy as np\n'
            "from tensorflow import math\ny = math.log(x)\n",
            '# Licence\n"""Doc."""\nfrom __future__ import division\n\n# numbers\nimport numpy as np\n'
            "import tensorflow as tf\nfrom tensorflow import math\ny = tf.nn.log_softmax(x)\n",
        ),
        # The name is taken: nothing can be done.
        ("from tensorflow import math\ntf = 1\ny = math.log(x)\n", None),
    ],
)
def test_an_import_is_added(text: str, expected: str | None) -> None:
    def change(r: Rewriter, op: Op) -> None:
        f = r.api("tf.nn.log_softmax")
        if f is None:
            r.insert_before(None, "")
        r.replace(op.node, "{f}(x)", f=f or "")

    assert rewritten(text, "log", change) == expected


def test_an_import_that_nothing_uses_is_not_added() -> None:
    def change(r: Rewriter, op: Op) -> None:
        assert r.api("np.log") == "np.log"
        r.replace(op.node, "x")

    assert rewritten(HEAD + "y = tf.log(x)\n", "log", change) == HEAD + "y = x\n"


@pytest.mark.parametrize(
    ("imports", "names", "expected"),
    [
        ("import tensorflow as tf", ("keras.losses.Huber",), "tf.keras.losses.Huber"),
        (
            "import tensorflow as tf\nfrom tensorflow import keras",
            ("keras.losses.Huber",),
            "keras.losses.Huber",
        ),
        ("import tensorflow as tf\nfrom keras import losses", ("keras.losses.Huber",), "losses.Huber"),
        ("import tensorflow as tf\nimport tensorflow.keras.backend as K", ("keras.backend.log",), "K.log"),
        # TensorFlow's own modules have only some of its names.
        (
            "import tensorflow as tf\nfrom tensorflow.python.ops import array_ops",
            ("tf.clip_by_value",),
            "tf.clip_by_value",
        ),
        # Keras 3 only where the file uses it.
        ("import tensorflow as tf", ("keras.ops.softmax", "tf.nn.softmax"), "tf.nn.softmax"),
        (
            "import tensorflow as tf\nfrom keras import ops",
            ("keras.ops.softmax", "tf.nn.softmax"),
            "ops.softmax",
        ),
        # TensorFlow 1's names in a file for TensorFlow 2.
        ("import tensorflow as tf", ("tf.log",), "tf.compat.v1.log"),
        ("import tensorflow as tf\nimport tensorflow.compat.v1 as tf1", ("tf.log",), "tf1.log"),
        ("import tensorflow as tf\nx = tf.placeholder('float')", ("tf.log",), "tf.log"),
    ],
)
def test_the_first_name_that_the_file_s_libraries_have(
    imports: str, names: tuple[str, ...], expected: str
) -> None:
    _, graph = graph_of(f"{imports}\ny = tf.sigmoid(x)\n")
    assert Rewriter(graph, next(graph.ops("sigmoid"))).api(*names) == expected


def test_generations_are_tensorflow_s() -> None:
    tf = pytest.importorskip("tensorflow")

    def has(module: object, name: str) -> bool:
        for part in name.split(".")[1:]:
            if not hasattr(module, part):
                return False
            module = getattr(module, part)
        return True

    for name, api in APIS.items():
        if not name.startswith("tf.") or name.startswith("tf.compat."):
            continue
        v1, v2 = has(tf.compat.v1, name), has(tf, name)
        removed = api.removed is not None or name.startswith("tf.contrib.")
        if name.startswith("tf.estimator."):
            continue  # both generations had it, and the installed release has none of it
        assert is_v1_only(name) == (not v2 and (v1 or removed)), f"{name}: see ops/generations.py"
        assert is_v2_only(name) == (v2 and not v1), name


# Templates.


@pytest.mark.parametrize(
    ("template", "parts", "expected"),
    [
        ("-{x}", {"x": "a + b"}, "-(a + b)"),
        ("-{x}", {"x": "a"}, "-a"),
        ("-{x}", {"x": "(a)"}, "-a"),
        ("f({x})", {"x": "(a + b)"}, "f(a + b)"),
        ("f({x})", {"x": "a + b"}, "f(a + b)"),
        ("{x} - {y}", {"x": "a - b", "y": "c - d"}, "a - b - (c - d)"),
        ("{x} ** 2", {"x": "-a"}, "(-a) ** 2"),
        ("{x}.mean()", {"x": "a @ b"}, "(a @ b).mean()"),
        ("{x}.mean()", {"x": "a[0]"}, "a[0].mean()"),
        ("{x} if c else d", {"x": "lambda: 1"}, "(lambda: 1) if c else d"),
        ("f({x})", {"x": "a\n+ b"}, "f(a\n+ b)"),
        ("f({x}{options})", {"x": "a", "options": ", axis=1"}, "f(a, axis=1)"),
        ("f({x}{options})", {"x": "a", "options": ""}, "f(a)"),
        ("f({a})", {"a": "labels, logits"}, "f(labels, logits)"),
        ("f({x})", {"x": "(a, b)"}, "f((a, b))"),
        ("f({x}, {x})", {"x": "a if b else c"}, "f(a if b else c, a if b else c)"),
        ("{{1: {x}}}", {"x": "a"}, "{1: a}"),
        ("{name} = {x}", {"name": "y", "x": "a"}, "y = a"),
        ("{x}", {"x": "a := 1"}, "(a := 1)"),
    ],
)
def test_parentheses_where_they_are_needed(template: str, parts: dict[str, str], expected: str) -> None:
    assert fill(template, parts) == expected


@pytest.mark.parametrize(
    ("template", "parts"), [("f({x}", {"x": "a"}), ("{x} +", {"x": "a"}), ("f({y})", {"x": "a"})]
)
def test_a_template_that_is_no_expression(template: str, parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="template"):
        fill(template, parts)


ATOMS = st.sampled_from(
    [
        "a",
        "b.c",
        "f(a)",
        "-a",
        "a + b",
        "a * b",
        "a ** b",
        "not a",
        "a < b",
        "lambda: a",
        "a if b else c",
        "(a, b)",
        "a[b]",
        "a or b",
        "a @ b",
    ]
)
PLACES = st.sampled_from(
    [
        "{x} + {y}",
        "-{x} * {y}",
        "{x} ** {y}",
        "{x}.f[{y}]",
        "f({x}, k={y})",
        "{x} < {y}",
        "{x} if {y} else 0",
        "not {x} and {y}",
        "lambda: {x} - {y}",
    ]
)


@given(PLACES, ATOMS, ATOMS)
def test_a_part_stays_one(template: str, x: str, y: str) -> None:
    written = parse_expression(fill(template, {"x": x, "y": y}))
    wanted = parse_expression(fill(template, {"x": "PART_X", "y": "PART_Y"}))
    assert written is not None
    assert wanted is not None

    class Put(cst.CSTTransformer):
        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            part = {"PART_X": x, "PART_Y": y}.get(updated_node.value)
            return updated_node if part is None else cst.parse_expression(f"({part})")

    assert meaning(written) == meaning(cst.ensure_type(wanted.visit(Put()), cst.BaseExpression))


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("y = 2 * tf.log(x)", "a + b", "y = 2 * (a + b)"),
        ("y = tf.log(x) + 2", "a + b", "y = a + b + 2"),
        ("y = 2 - tf.log(x)", "a + b", "y = 2 - (a + b)"),
        ("y = -tf.log(x)", "a * b", "y = -(a * b)"),
        ("y = tf.log(x)[0]", "-a", "y = (-a)[0]"),
        ("y = g(tf.log(x), 1)", "a if b else c", "y = g(a if b else c, 1)"),
        ("y = g(*tf.log(x))", "a or b", "y = g(*a or b)"),
        ("y = tf.log(x)", "a\n+ b", "y = (a\n+ b)"),
        ("y = g(1,\n  tf.log(x))", "a\n+ b", "y = g(1,\n  (a\n+ b))"),
        ("y = [tf.log(x)for _ in z]", "a", "y = [(a)for _ in z]"),
        ("y = 1 if c else[tf.log(x)]", "a", "y = 1 if c else[a]"),
        ("y = (tf.log(x))", "a + b", "y = (a + b)"),
        ("tf.log(x)", "z = a", "z = a"),
    ],
)
def test_the_whole_fits_its_place(line: str, text: str, expected: str) -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.replace(op.node, "{text}", text=text)

    assert rewritten(HEAD + line + "\n", "log", change) == HEAD + expected + "\n"


# Arguments and statements.


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("tf.log(x)", "tf.log(x, name='n')"),
        ("tf.log(x, name='m')", "tf.log(x, name='n')"),
        ("tf.log(x, 'm')", "tf.log(x, 'n')"),
        ("tf.log(x,)", "tf.log(x, name='n',)"),
        ("tf.log(x  # why\n)", "tf.log(x, name='n'  # why\n)"),
        ("tf.log(\n    x,\n)", "tf.log(\n    x,\n    name='n',\n)"),
        ("tf.log((x))", "tf.log((x), name='n')"),
        ("tf.log()", "tf.log(name='n')"),
        ("tf.log(i for i in x)", None),
    ],
)
def test_set_argument(call: str, expected: str | None) -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.set_argument(op.node, "name", "'n'", position=1)

    after = rewritten(HEAD + f"y = {call}\n", "log", change)
    assert after == (None if expected is None else HEAD + f"y = {expected}\n")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("tf.log(x, name='m')", "tf.log(x)"),
        ("tf.log(x, 'm')", "tf.log(x)"),
        ("tf.log(name='m', x=x)", "tf.log(x=x)"),
        ("tf.log(x, name=('m'),)", "tf.log(x,)"),
        ("tf.log(name='m')", "tf.log()"),
        ("tf.log(name='m', )", "tf.log()"),
        ("tf.log(\n    x,\n    name='m',\n)", "tf.log(\n    x,\n)"),
        ("tf.log(x,  # keep\n    name='m')", None),
    ],
)
def test_remove_argument(call: str, expected: str | None) -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.remove_argument(op.node, "name", position=1)

    after = rewritten(HEAD + f"y = {call}\n", "log", change)
    assert after == (None if expected is None else HEAD + f"y = {expected}\n")


def test_lines_around_a_statement() -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.insert_before(op.statement, "before()\nbefore()")
        r.insert_after(op.statement, "after()")

    text = HEAD + "if c:\n    # the log\n    y = tf.log(\n        x)  # of x\nz = 1\n"
    assert rewritten(text, "log", change) == HEAD + (
        "if c:\n    # the log\n    before()\n    before()\n"
        "    y = tf.log(\n        x)  # of x\n    after()\nz = 1\n"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a = 1\ny = tf.log(\n    x)  # why\nb = 2\n", "a = 1\nb = 2\n"),
        ("if c:\n    y = tf.log(x)\nb = 2\n", "if c:\n    pass\nb = 2\n"),
        ("if c:\n    y = tf.log(x)\n    d = 1\n", "if c:\n    d = 1\n"),
        ("a = 1\ny = tf.log(x)", "a = 1\n"),
        ("if c: y = tf.log(x)\n", None),
    ],
)
def test_remove_statement(body: str, expected: str | None) -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.remove_statement(op.statement)

    after = rewritten(HEAD + body, "log", change)
    assert after == (None if expected is None else HEAD + expected)


def test_edits_that_overlap_are_no_fix() -> None:
    def change(r: Rewriter, op: Op) -> None:
        r.replace(op.node, "a")
        r.replace(op.nodes["x"], "b")

    assert rewritten(HEAD + "y = tf.log(x)\n", "log", change) is None


def test_no_edit_is_no_fix() -> None:
    assert fix(HEAD + "y = tf.log(x)\n", "log", lambda r, op: None) is None


def test_the_text_of_another_file_makes_a_fix_impossible() -> None:
    """Such as that of an activation, which the file that makes the layer is given."""
    elsewhere = parse_expression("args.activation")
    said: list[str] = []

    def quote(r: Rewriter, op: Op) -> None:
        said.append(r.text(elsewhere))
        r.replace(op.node, "other")

    assert fix("import tensorflow as tf\ny = tf.nn.softmax(x)\n", "softmax", quote) is None
    assert said == [""]
