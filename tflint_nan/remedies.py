"""What fixes of training rules write: another loss, another number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import libcst as cst

from tflint_nan.graph import Graph
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import NONE, Op, Scope, Value


@dataclass(frozen=True, slots=True)
class Pair:
    """A sigmoid's output with the logits that it is made from, and the labels that it is trained towards."""

    output: Value
    logits: Value
    labels: Value


def cross_entropy(r: Rewriter, pair: Pair) -> str | None:
    """TensorFlow's cross entropy of a sigmoid from its logits, a number for each element."""
    f = r.api("tf.nn.sigmoid_cross_entropy_with_logits")
    logits, labels = r.spell(pair.logits, "logits"), r.spell(pair.labels, "labels")
    return None if f is None or logits is None or labels is None else f"{f}(labels={labels}, logits={logits})"


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
    given = loss.arg("loss")
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
        text = quoted_as(r.text(loss.node), function)
    else:
        text = r.api(f"keras.losses.{function}")
    if text is not None:
        r.replace(loss.node, text)
    return text is not None


def _class(r: Rewriter, function: str) -> str | None:
    return r.api("keras.losses." + "".join(word.capitalize() for word in function.split("_")))


def quoted_as(text: str, word: str) -> str:
    """`word` as a string literal with the quotes of the literal `text`."""
    quote = text[-1:] if text[-1:] in ("'", '"') else '"'
    return quote + word + quote
