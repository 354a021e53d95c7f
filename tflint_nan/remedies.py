"""What fixes of training rules write: another loss, its logits, another number, another activation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import libcst as cst

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph
from tflint_nan.lift import logits_at
from tflint_nan.ops.losses import is_keras
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import axis_of
from tflint_nan.training import Entropy, compiled
from tflint_nan.value import NONE, Items, Object, Op, Option, Scope, Table, Value

#: What the fixes of squared errors say.
_TRAIN = "Train with the cross entropy"
#: The function of TensorFlow that computes the cross entropy of an activation from its logits.
_FUSED = {
    "sigmoid": "tf.nn.sigmoid_cross_entropy_with_logits",
    "softmax": "tf.nn.softmax_cross_entropy_with_logits",
}
#: Arguments that losses for either kind of labels have.
_SHARED = {"from_logits", "reduction", "name", "y_true", "y_pred", "labels", "logits"}
#: Keras's cross entropy of the activation's output.
_PLAIN = {"sigmoid": "binary_crossentropy", "softmax": "categorical_crossentropy"}


@dataclass(frozen=True, slots=True)
class Pair:
    """An output with the logits that it is made from, and the labels that it is trained towards.

    `kind` is the activation that the labels ask for: "sigmoid" or "softmax".
    """

    output: Value
    logits: Value
    labels: Value
    kind: str = "sigmoid"


def cross_entropy(r: Rewriter, pair: Pair) -> str | None:
    """TensorFlow's cross entropy from the logits, a number for each element (softmax: for each row)."""
    f = r.api(_FUSED[pair.kind])
    logits, labels = r.spell(pair.logits, "logits"), r.spell(pair.labels, "labels")
    return None if f is None or logits is None or labels is None else f"{f}(labels={labels}, logits={logits})"


def train_with_cross_entropy(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    """Write the cross entropy in the place of the squared error `op`; unsafe, as the loss is another one."""
    if _is_rooted(graph, op):
        r.decline("the loss is the root of the squared error")
        return None
    if is_keras(op):
        return r.fix(Applicability.UNSAFE, _TRAIN) if replace_loss(r, op, _PLAIN[pair.kind]) else None
    fix = _from_logits(graph, op, pair, r)
    return _from_output(graph, op, pair, Rewriter(graph, op)) if fix is None else fix


def _from_logits(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    """TensorFlow's cross entropy, from the logits."""
    text, whole = cross_entropy(r, pair), _reduced(graph, op, pair.kind == "softmax")
    if text is None or whole is None:
        return None
    if op.name == "mean_squared_error":
        mean = r.api("tf.reduce_mean") if op.nodes.keys() == {"y_true", "y_pred"} else None
        if mean is None:
            return None
        text = f"{mean}({text})"
    r.replace(whole.node, text)
    return r.fix(Applicability.UNSAFE, _TRAIN)


def _from_output(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    """Keras's cross entropy, a number for each row: for logits that stay in a layer or a loop."""
    f, labels, output = (
        r.api(f"keras.losses.{_PLAIN[pair.kind]}"),
        r.spell(pair.labels),
        r.spell(pair.output, "outputs"),
    )
    whole = _reduced(graph, op, rows=True)
    if f is None or labels is None or output is None or whole is None:
        return None
    text = f"{f}({labels}, {output})"
    if op.name == "mean_squared_error":
        text = f"{r.api('tf.reduce_mean')}({text})"
        if op.nodes.keys() != {"y_true", "y_pred"}:
            return None
    r.replace(whole.node, text)
    return r.fix(Applicability.UNSAFE, _TRAIN)


def _reduced(graph: Graph, op: Op, rows: bool) -> Op | None:
    """What a cross entropy takes the place of: the squared error, half of it, or its sum over the classes.

    With `rows` it is a number for each row; None where the program reduces in another way.
    """
    whole = _halved(graph, op)
    if not rows or op.name == "mean_squared_error":
        return whole
    above = next(iter(graph.consumers(whole)), None)
    if above is None or above.name not in ("mean", "sum"):
        return whole if above is None else None
    if above.arg("axis") is NONE:
        return whole
    inner = axis_of(above, whole.value.shape) == -1 and above.arg("keepdims") is NONE
    return _halved(graph, above) if inner else None


def _is_rooted(graph: Graph, op: Op) -> bool:
    """Whether the root is taken of a squared error, or of its mean: of a cross entropy it means nothing."""
    todo, seen = [op], {op}
    for step in todo:
        for taker in graph.consumers(step):
            if taker.name == "sqrt":
                return True
            epsilon = taker.name == "add" and number(taker.arg("y")) is not None
            if taker not in seen and (taker.flow or epsilon or taker.name in ("mean", "sum")):
                seen.add(taker)
                todo.append(taker)
    return False


def _halved(graph: Graph, op: Op) -> Op:
    """The op that takes half of `op`, where that is all that is done with it; else `op`."""
    consumers = graph.consumers(op)
    if len(consumers) == 1:
        whole = consumers[0]
        half = number(whole.arg("y")) == 2 if whole.name == "div" else number(whole.arg("y")) == 0.5
        if half and whole.name in ("div", "mul"):
            return whole
        if whole.name == "mul" and number(whole.arg("x")) == 0.5:
            return whole
    return op


def pass_logits(op: Op, activation: Op, r: Rewriter) -> Fix | None:
    """Give `op` the logits of `activation`, or take that out of its layer where they cannot be spelled."""
    node = op.nodes.get("logits" if "logits" in op.nodes else "x")
    logits = logits_at(r, activation, op) if node is not None else None
    if node is not None and logits is not None:
        r.replace(node, "{logits}", logits=logits)
        return r.fix(Applicability.UNSAFE, f"Pass the logits, before the {activation.name}")
    if "layer" not in activation.args or not remove_activation(r, activation):
        return None
    return r.fix(Applicability.UNSAFE, f"Drop the {activation.name} of the layer")


def drop_from_logits(graph: Graph, entropy: Entropy, r: Rewriter) -> Fix | None:
    """Tell a Keras loss that it gets probabilities.

    Safe in `compile` where the activation comes last: there Keras finds the logits by itself.
    """
    op, last = entropy.op, entropy.output.op
    loss = op.arg("loss").op or op
    r.remove_argument(loss.node, "from_logits", position=0 if loss is not op else None)
    safe = compiled(graph, op) is not None and last is not None and last.name in ("softmax", "sigmoid")
    return r.fix(Applicability.SAFE if safe else Applicability.UNSAFE, "Drop from_logits=True")


def redraw(graph: Graph, drawn: Op, deviation: float, r: Rewriter) -> Fix | None:
    """Draw with another standard deviation; None where the one that `drawn` has cannot be written over."""
    text = f"{deviation:.2g}"
    if not replace_number(graph, r, drawn, "stddev", text):
        if "stddev" in drawn.nodes or drawn.name != "random_normal" or drawn.api.startswith("np."):
            return None
        r.set_argument(drawn.node, "stddev", text)
    return r.fix(Applicability.UNSAFE, f"Start with a standard deviation of {text}")


def replace_number(graph: Graph, r: Rewriter, op: Op, argument: str, text: str) -> bool:
    """Write another number where the number that reaches an argument is written.

    That is there, in the default of an option of the command line, or in a constant. False where it is
    somewhere else.
    """
    value, node = op.arg(argument), op.nodes.get(argument)
    if node is not None and _is_number(r.text(node)):
        r.replace(node, text)
        return True
    for option in graph.ops("option"):
        if option.arg("default") is value:
            r.set_argument(option.node, "default", text, position=1)
            return True
    scope: Scope | None = op.scope
    while scope is not None:
        for binding in scope.history:
            literal = _assigned(binding.statement) if binding.value is value else None
            if literal is not None and _is_number(r.text(literal)):
                r.replace(literal, text)
                return True
        scope = scope.parent
    return False


def give_number(graph: Graph, r: Rewriter, op: Op, argument: str, text: str) -> bool:
    """The same, and give the argument to what is made without it, or by the name of its class."""
    if op.arg(argument) is not NONE:
        return replace_number(graph, r, op, argument, text)
    if isinstance(op.node, cst.SimpleString):
        made = r.api(op.api)
        if made is not None:
            r.replace(op.node, f"{made}({argument}={text})")
        return made is not None
    if "identifier" in op.nodes:
        return False  # a call that looks a name up
    r.set_argument(op.node, argument, text)
    return True


def _assigned(statement: cst.CSTNode | None) -> cst.BaseExpression | None:
    """The right side of a statement that is one assignment."""
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        only = statement.body[0]
        return only.value if isinstance(only, (cst.Assign, cst.AnnAssign)) else None
    return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.strip()))
    except ValueError:
        return False


def replace_loss(r: Rewriter, loss: Op, function: str, arguments: str = "") -> bool:
    """Write another Keras loss in the place of `loss`, as that one is written: string, function, object.

    `function` is the loss's name as a function; with `arguments` it becomes an object. False where the
    place cannot be rewritten: it has settings of its own.
    """
    given, node = loss.arg("loss"), _own_place(r.graph, loss)
    if node is None:
        return False
    if given.op is not None:
        made = _class(r, function) if not given.op.nodes else None
        if made is not None:
            r.replace(given.op.node, f"{made}({arguments})")
        return made is not None
    if given is NONE:
        plain = r.api(f"keras.losses.{function}") if loss.nodes.keys() == {"y_true", "y_pred"} else None
        if plain is not None:
            operands = {"labels": loss.nodes["y_true"], "output": loss.nodes["y_pred"]}
            r.replace(loss.node, "{f}({labels}, {output})", f=plain, **operands)
        return plain is not None
    if arguments:
        text = _class(r, function)
        text = f"{text}({arguments})" if text is not None else None
    elif isinstance(given.literal, str):
        text = quoted_as(r.text(node), function)
    else:
        text = r.api(f"keras.losses.{function}")
    if text is not None:
        r.replace(node, text)
    return text is not None


def _own_place(graph: Graph, loss: Op) -> cst.CSTNode | None:
    """Where a loss is written: its own place in a list or dict of one loss for each output.

    None where several, or none, are written like it, and where the losses are listed somewhere else.
    """
    if loss.arg("loss").op is not None:
        return loss.node
    if not isinstance(loss.node, (cst.Dict, cst.List, cst.Tuple)):
        given = [made.arg("loss") for made in graph.ops("compiled_loss") if made.node is loss.node]
        return None if any(isinstance(one, (Items, Table)) for one in given) else loss.node
    name = loss.arg("loss").literal
    places = [element.value for element in loss.node.elements]
    same = [
        place for place in places if isinstance(place, cst.SimpleString) and place.evaluated_value == name
    ]
    return same[0] if len(same) == 1 else None


def rename_loss(r: Rewriter, loss: Op, function: str) -> bool:
    """Write another loss with the same arguments in the place of `loss`; False where it has others."""
    made = loss.arg("loss").op
    if made is not None and made.nodes:
        name = _class(r, function) if not made.nodes.keys() - _SHARED else None
        return name is not None and _recall(r, made.node, name)
    if loss.arg("loss") is NONE:
        library = "keras.losses" if is_keras(loss) else "tf.nn" if loss.api.startswith("tf.nn.") else None
        same = library and not loss.nodes.keys() - _SHARED
        name = r.api(f"{library}.{function}") if same else None
        return name is not None and _recall(r, loss.node, name)
    return replace_loss(r, loss, function)


def _recall(r: Rewriter, call: cst.CSTNode, name: str) -> bool:
    """Call another function with the same arguments."""
    if isinstance(call, cst.Call):
        r.replace(call.func, name)
    return isinstance(call, cst.Call)


def _class(r: Rewriter, function: str) -> str | None:
    return r.api("keras.losses." + "".join(word.capitalize() for word in function.split("_")))


def replace_activation(r: Rewriter, activation: Op, name: str) -> bool:
    """Write another activation in the place of a layer's, or of a call of `tf.nn`; False where neither is.

    A name that the fix gives to the logits is used here as well.
    """
    made = activation.arg("layer")
    if isinstance(made, Object) and isinstance(made.config("activation"), Option):
        r.decline("which activation it is, is a setting of the command line")
        return False
    node = activation.nodes.get("activation")
    if node is not None and r.text(node)[-1:] in ("'", '"'):
        r.replace(node, quoted_as(r.text(node), name))
        return True
    function = r.api(f"tf.nn.{name}")
    if function is None:
        return False
    if node is not None:
        r.replace(node, function)
    elif activation.api == "keras.layers.Softmax":
        layer = r.api("keras.layers.Activation")
        if layer is None:
            return False
        r.replace(activation.node, f'{layer}("{name}")')
    elif activation.nodes.keys() == {"x"}:
        logits = r.spell(activation.arg("x"), "logits")
        r.replace(activation.node, "{f}({x})", f=function, x=logits or activation.nodes["x"])
    else:
        return False
    return True


def activate(graph: Graph, r: Rewriter, linear: Op, name: str) -> bool:
    """Give a layer of Keras without activation one; False where it is no layer, or its call makes others."""
    layer = linear.arg("layer")
    same = [op for op in graph.ops(linear.name) if op.node is linear.node]
    if not isinstance(layer, Object) or any(op.arg("layer") is not layer for op in same):
        return False
    if not linear.api.startswith("keras.layers."):
        return False
    given = linear.nodes.get("activation")
    if given is None:
        r.set_argument(linear.node, "activation", f'"{name}"')
    else:
        r.replace(given, quoted_as(r.text(given), name))
    return True


def quoted_as(text: str, word: str) -> str:
    """`word` as a string literal with the quotes of the literal `text`."""
    quote = text[-1:] if text[-1:] in ("'", '"') else '"'
    return quote + word + quote


def remove_activation(r: Rewriter, op: Op) -> bool:
    """Take an activation out: a layer's own, a function's call, or a layer that is nothing else.

    False where it is none of these.
    """
    if op.nodes.keys() == {"x"}:
        r.replace(op.node, "{x}", x=op.nodes["x"])
        return True
    if op.nodes.keys() <= {"activation", "x", "axis"}:
        return isinstance(op.node, cst.Call) and r.remove_layer(op.node)
    r.remove_argument(op.node, "activation")
    return "activation" in op.nodes
