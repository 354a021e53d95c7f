"""Every witness of the case files, whole programs, examples and rule pages, computed by TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from architecture_replay import ARCHITECTURE
from cases_reader import case_files
from lint import check, settings
from optimisation_replay import OPTIMISATION
from stops_replay import stopped
from tensorflow_replay import printed, replay
from tensorflow_run import execute, is_tensorflow_1, read_inputs
from test_examples import EXAMPLES
from test_fixes_run import PROGRAMS as EXECUTED
from test_fixes_run import Program as Executed
from test_ops_soundness import numbers_of, tensor
from test_pages import code
from test_whole import PROGRAMS as WHOLE

from tflint_nan.build import build
from tflint_nan.evidence import GAPS
from tflint_nan.graph import Report
from tflint_nan.registry import Rule, rules
from tflint_nan.source import Source
from tflint_nan.trace import Trace
from tflint_nan.value import Op, Scope


@dataclass(frozen=True, slots=True)
class Program:
    """A text, and where it stands."""

    id: str
    text: str


def programs() -> Iterator[Program]:
    for file in case_files():
        yield from (Program(case.id, case.text) for case in file.cases)
    for path in (*WHOLE, *sorted(EXAMPLES.glob("*.py"))):
        yield Program(path.name, path.read_text(encoding="utf-8"))
    yield from (Program(f"{rule.name}:page", code(rule.page, "Example")) for rule in rules())


@cache
def reports(text: str) -> list[tuple[Rule, Report]]:
    """What every rule says of a text, with `--strict` or without."""
    graph = build(Source("case.py", text), settings(strict=True).thresholds)
    return [(rule, report) for rule in rules() for report in rule.check(graph)]


ALL = list(programs())
#: Rules that seldom show a chain: digits and gradients are lost, and `inputs` fences execute that.
EXECUTED_ONLY = ("NAN111", "NAN112")


@pytest.mark.parametrize("program", ALL, ids=lambda program: program.id)
def test_tensorflow_computes_the_witness(program: Program) -> None:
    for rule, report in reports(program.text):
        if rule.code in EXECUTED_ONLY and report.witness is None:
            continue
        # A rule about values shows numbers, from what is assumed to what breaks.
        assert isinstance(report.witness, Trace) == (rule.code.startswith("NAN1") and rule.code not in LOSSES)
        if isinstance(report.witness, Trace):
            replay(report.witness, report.op, in_graph="in a graph" in report.message)
        else:
            assert rule.code in LOSSES, f"{rule.code}: no replay is written for {report.witness!r}"
            LOSSES[rule.code](report)


@pytest.mark.parametrize("program", ALL, ids=lambda program: program.id)
def test_findings_print_what_was_computed(program: Program) -> None:
    said = reports(program.text)
    computed = {(rule.code, None if r.witness is None else str(r.witness)) for rule, r in said}
    assert {(f.code, f.witness) for f in check(program.text, strict=True)} <= computed


def test_every_rule_is_computed() -> None:
    assert {rule.code for program in ALL for rule, _ in reports(program.text)} == {
        rule.code for rule in rules()
    }


# ---- what is no trail of values: losses, rates, data


def numbers(report: Report) -> dict[str, str]:
    """name -> the last number printed for it."""
    return dict(printed(re.sub(r" \(.*?\)| at best|, \d+ class(es)?|, class \d+", "", str(report.witness))))


def about(shown: str, computed: Any, absolute: float = 1e-6) -> bool:
    """Equal to the three digits that are printed."""
    return bool(np.all(np.abs(float(shown) - numbers_of(computed)) <= absolute + 5e-3 * np.abs(float(shown))))


def derivative(loss: Callable[[Any], Any], at: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = loss(at)
    return value, tape.gradient(value, at)


def squared_error(report: Report) -> None:
    """The gradient vanishes where the output is most wrong, that of the cross entropy does not."""
    shown = numbers(report)
    dtype = report.because[0][0].value.dtype or "float32"
    logit, aim = tensor(float(shown["logit"]), dtype), tensor(float(shown["label"]), dtype)
    error, gradient = derivative(lambda z: tf.square(tf.sigmoid(z) - aim), logit)
    assert about(shown["sigmoid"], tf.sigmoid(logit))
    assert about(shown["squared error"], error)
    assert float(shown["squared error"]) == 1
    assert about(shown["|gradient|"], tf.abs(gradient))
    assert float(shown["|gradient|"]) == 0
    _, fused = derivative(lambda z: tf.nn.sigmoid_cross_entropy_with_logits(aim, z), logit)
    (other,) = re.findall(r"\(of the cross entropy: (\S+)\)", str(report.witness))
    assert about(other, tf.abs(fused))


def clipped_output(report: Report) -> None:
    """Below the clip the log is the same number, and nothing flows back; a rate below 0 has no log."""
    shown = numbers(report)
    if report.op.name == "poisson":
        output, label = (tf.constant([float(shown[name])]) for name in ("output", "label"))
        assert np.isnan([float(shown["loss"]), numbers_of(keras.losses.poisson(label, output))]).all()
        return
    bound = float(shown["clipped"])
    loss, gradient = derivative(
        lambda z: -tf.math.log(tf.clip_by_value(z, bound, 1.0)), tf.constant(float(shown["output"]))
    )
    assert about(shown["-log"], loss)
    assert float(gradient) == float(shown["gradient"]) == 0


def squared_error_of_classes(report: Report) -> None:
    """Outputs that are sure of the wrong class: no gradient, that of the cross entropy is the error."""
    shown = numbers(report)
    activation = tf.nn.softmax if "softmax" in shown else tf.sigmoid
    logits = tf.constant([float(n) for n in shown["logits"].strip("[]").split(",")])
    aim = tf.constant([0.0, 1.0])
    error, gradient = derivative(lambda z: tf.reduce_sum(tf.square(activation(z) - aim)), logits)
    outputs = shown["softmax" if "softmax" in shown else "sigmoid"].strip("[]").split(",")
    assert activation(logits).numpy().tolist() == [float(n) for n in outputs]
    assert about(shown["squared error"], error)
    assert about(shown["|gradient|"], tf.abs(gradient))
    assert float(shown["|gradient|"]) == 0
    _, fused = derivative(lambda z: tf.nn.softmax_cross_entropy_with_logits(aim, z), logits)
    (other,) = re.findall(r"\(of the cross entropy: (\S+)\)", str(report.witness))
    assert about(other, tf.abs(fused))


def activated_twice(report: Report) -> None:
    """The least loss that outputs between 0 and 1 can have as logits."""
    shown, text = numbers(report), str(report.witness)
    counted = re.search(r"(\d+) classes", text)
    if counted is None:
        grid = tf.linspace(0.0, 1.0, 101)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.ones_like(grid), grid)
        assert about(shown["sigmoid"], tf.sigmoid(1.0))
    else:
        n = int(counted[1])
        corners = np.eye(n)
        inside = np.random.default_rng(0).dirichlet(np.ones(n), 200)
        outputs = tf.constant(np.concatenate([corners, inside]), tf.float32)
        losses = tf.nn.softmax_cross_entropy_with_logits(tf.one_hot([0] * len(outputs), n), outputs)
        assert about(shown["softmax"], tf.nn.softmax(outputs[0])[0])
    assert about(shown["loss"], tf.reduce_min(losses))


def linear_output(report: Report) -> None:
    """Clipped: no gradient. Divided by their sum, of scores below 0 the largest has the smallest share."""
    shown = numbers(report)
    row = [float(n) for n in shown["outputs"].strip("[]").split(",")] if "outputs" in shown else []
    outputs = tf.constant([row or [float(shown["output"])]])
    labels = {"sparse_categorical_crossentropy": [0], "binary_crossentropy": [[1.0]]}
    aim = labels.get(report.op.name, [[1.0, 0.0]])
    loss, gradient = derivative(lambda z: getattr(keras.losses, report.op.name)(tf.constant(aim), z), outputs)
    assert about(shown["loss"], loss)
    if "share" in shown:
        assert about(shown["share"], outputs[0, 0] / tf.reduce_sum(outputs))
    if "the smallest share" in report.message:
        assert row[0] == max(row)
        assert float(shown["share"]) < 1 / len(row)
    else:
        assert np.all(numbers_of(gradient) == 0)
        assert float(shown["gradient"]) == 0


def sigmoids_of_classes(report: Report) -> None:
    """All of them at 1: equal shares for every class, and no slope that changes them."""
    shown, text = numbers(report), str(report.witness)
    n = int(re.findall(r"(\d+) class", text)[0])
    logits = tf.fill([n, n], 104.0)
    sparse = report.op.name == "sparse_categorical_crossentropy"
    aim = tf.range(n) if sparse else tf.eye(n)
    loss, gradient = derivative(lambda z: getattr(keras.losses, report.op.name)(aim, tf.sigmoid(z)), logits)
    assert np.all(numbers_of(tf.sigmoid(logits)) == 1)
    assert about(shown["share"], tf.sigmoid(logits[0, 0]) / tf.reduce_sum(tf.sigmoid(logits[0])))
    assert about(shown["loss"], loss)
    assert np.all(numbers_of(gradient) == 0)
    assert float(shown["gradient"]) == 0


def one_unit(report: Report) -> None:
    """Whatever the number is."""
    shown, operation = numbers(report), getattr(tf.nn, report.op.name)
    for logit in (float(shown["logit"]), -3.0, 0.0):
        result, gradient = derivative(operation, tf.constant([logit]))
        assert float(result[0]) == float(shown[report.op.name])
        assert float(gradient[0]) == float(shown["gradient"]) == 0


def shares_as_questions(report: Report) -> None:
    """Equal shares: the binary loss is small and its accuracy large, the categorical ones are neither."""
    text = str(report.witness)
    counted = re.search(r"(\d+) classes", text)
    if counted is None:
        assert report.witness is None
        return
    n, shown = int(counted[1]), numbers(report)
    outputs, aim = tf.fill([n, n], 1 / n), tf.eye(n)
    assert about(shown["share"], outputs[0, 0])
    assert about(shown["binary loss"], keras.losses.binary_crossentropy(aim, outputs))
    assert about(shown["binary accuracy"], tf.reduce_mean(keras.metrics.binary_accuracy(aim, outputs)))
    loss, accuracy = re.findall(r"\(categorical: (\S+) and (\S+)\)", text)[0]
    assert about(loss, keras.losses.categorical_crossentropy(aim, outputs))
    assert about(accuracy, tf.reduce_mean(keras.metrics.categorical_accuracy(aim, outputs)))


def exchanged(report: Report) -> None:
    """No witness: with the operands exchanged the loss of a right output is not the smaller one."""
    assert report.witness is None
    name = report.op.name
    right, wrong, aim = tf.constant([0.1, 0.9]), tf.constant([0.9, 0.1]), tf.constant([0.0, 1.0])
    loss: Callable[[Any, Any], Any]
    if name == "log":
        loss = lambda y, p: -tf.reduce_sum(y * tf.math.log(p + 1e-9))  # noqa: E731
    elif name in ("binary_crossentropy", "categorical_crossentropy"):
        loss = getattr(keras.losses, name)
    else:
        loss = lambda y, z: tf.reduce_mean(getattr(tf.nn, name)(labels=y, logits=z))  # noqa: E731
        right, wrong = tf.math.log(right), tf.math.log(wrong)
    assert loss(aim, right) < loss(aim, wrong)
    near, far = (tf.Variable(output) for output in (right, wrong))
    slopes = [derivative(lambda z: loss(z, aim), output)[1] for output in (near, far)]
    assert np.all(numbers_of(slopes[0]) == numbers_of(slopes[1])), "it knows nothing of the error"


def relu_outputs(report: Report) -> None:
    """No witness: where the relu is 0 nothing flows back, or NaN, whatever the label is."""
    assert report.witness is None
    fused = lambda y, p: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=p)  # noqa: E731
    binary = report.op.name.startswith("binary")
    plain = keras.losses.binary_crossentropy if binary else keras.losses.categorical_crossentropy
    loss = fused if "takes logits" in report.message else plain
    for aim in ([1.0, 0.0], [0.0, 1.0]):
        _, gradient = derivative(
            lambda z, aim=aim: loss(tf.constant(aim), tf.nn.relu(z)), tf.constant([-1.0, -2.0])
        )
        shown = numbers_of(gradient)
        assert np.all(np.isnan(shown) if loss is plain and not binary else shown == 0)
    assert np.all(tf.sigmoid(tf.nn.relu([-1.0, 3.0])).numpy() >= 0.5)


def other_labels(report: Report) -> None:
    """No witness: the shapes do not fit."""
    assert report.witness is None
    name, outputs = report.op.name, tf.fill([4, 3], 1 / 3)
    labels = tf.one_hot([0, 1, 2, 0], 3) if "sparse" in name else tf.constant([0, 1, 2, 0])
    loss = getattr(keras.losses if "crossentropy" in name else tf.nn, name)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        loss(labels, outputs)


def added_up(report: Report) -> None:
    """No witness: the gradient of a sum grows with the batch, that of a mean does not."""
    assert report.witness is None

    def slope(reduced: Callable[[Any], Any], n: int) -> float:
        return float(derivative(lambda w: reduced(tf.square(w * tf.ones([n]))), tf.constant(1.0))[1])

    assert slope(tf.reduce_sum, 256) == 8 * slope(tf.reduce_sum, 32)
    assert slope(tf.reduce_mean, 256) == slope(tf.reduce_mean, 32)


def all_pairs(report: Report) -> None:
    """No witness: the shapes that are said, and the mean that such a loss is smallest for."""
    assert report.witness is None
    labels = tf.constant([1.0, 2.0, 6.0])
    assert (tf.zeros([3, 1]) - labels).shape == (3, 3)
    right, mean = labels[:, None], tf.fill([3, 1], tf.reduce_mean(labels))
    assert tf.reduce_mean(tf.square(mean - labels)) < tf.reduce_mean(tf.square(right - labels))


def along_the_batch(report: Report) -> None:
    """No witness: a batch of one is always 1; the sum over the batch grows with it."""
    assert report.witness is None
    if report.op.name == "softmax":
        assert np.all(tf.nn.softmax(tf.constant([[1.0, -2.0]]), axis=0).numpy() == 1)
        return
    few, many = (tf.reduce_mean(tf.reduce_sum(tf.ones([n, 3]), axis=0)) for n in (4, 8))
    assert many == 2 * few


def one_term(report: Report) -> None:
    """A wrong output for the label 0 costs nothing; with both terms it does."""
    shown = numbers(report)
    aim, logit = (tf.constant(float(shown[name])) for name in ("label", "logit"))
    loss, gradient = derivative(lambda z: -aim * tf.math.log(tf.sigmoid(z)), logit)
    assert about(shown["sigmoid"], tf.sigmoid(logit))
    assert [float(loss), float(gradient)] == [float(shown["loss"]), float(shown["gradient"])] == [0, 0]
    assert derivative(lambda z: tf.nn.sigmoid_cross_entropy_with_logits(aim, z), logit)[1] > 0.5


def beyond_one(report: Report) -> None:
    """The loss of an output at the end of its range is below 0, and one that saturates less costs more."""
    shown = numbers(report)
    label, fused = tf.constant([float(shown["label"])]), "logit" in shown
    loss = tf.nn.sigmoid_cross_entropy_with_logits if fused else keras.losses.binary_crossentropy
    output = float(shown["logit" if fused else "output"])
    if "logit" in shown and report.op.name == "binary_crossentropy":
        loss = partial(keras.losses.binary_crossentropy, from_logits=True)
    if report.op.name == "weighted_cross_entropy_with_logits":
        weight = report.op.arg("pos_weight").interval.lo
        loss = partial(tf.nn.weighted_cross_entropy_with_logits, pos_weight=weight)
    assert about(shown["loss"], loss(label, tf.constant([output])))
    assert float(shown["loss"]) < 0
    assert float(shown["loss"]) < loss(label, tf.constant([output / 2 if fused else 0.5]))
    if not fused:
        assert float(shown["clipped"]) == pytest.approx(abs(output - 1e-7), abs=1e-7)


def raw_data(report: Report) -> None:
    """No witness but the range: the first layer's gradient grows with its input."""
    assert report.witness is None
    (low, high) = map(float, re.findall(r"from (\S+) to (\S+) ", report.message)[0])
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((1, 1))

    def gradient(x: float) -> float:
        with tf.GradientTape() as tape:
            output = layer(tf.constant([[x]]))
        return float(tape.gradient(output, layer.kernel)[0, 0])

    assert gradient(high) == pytest.approx(high * gradient(1.0))
    assert max(abs(low), high) > 10  # "many times too large"


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "gradientdescent": keras.optimizers.SGD,
    "momentum": lambda learning_rate: keras.optimizers.SGD(learning_rate, momentum=0.9),
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
}


def large_rate(report: Report) -> None:
    """No witness but the rate: near a minimum the loss grows at it, and not at what the help says."""
    assert report.witness is None
    number, name = re.findall(r"^learning rate (?:that peaks at )?(\S+) of ([^ ,]+)", report.message)[0]
    known, algorithm = float(number), OPTIMIZERS[name.removesuffix("Optimizer").lower()]
    for total in map(float, re.findall(r"which momentum makes ([^ ,]+)", report.message)):
        x, optimizer = tf.Variable(0.0), algorithm(learning_rate=known, momentum=1 - known / total)
        places = [float(optimizer.apply([tf.constant(1e-3)], [x]) or x) for _ in range(200)]
        assert places[-2] - places[-1] == pytest.approx(total, rel=0.05)

    def worst(learning_rate: float) -> float:
        """The largest loss of five steps, in firsts; it curves so that plain descent at `known` diverges."""
        x = tf.Variable(known / 10)
        optimizer, losses = algorithm(learning_rate=learning_rate), []
        for _ in range(6):
            with tf.GradientTape() as tape:
                loss = 2.0 / known * x * x
            losses.append(float(loss))
            optimizer.apply([tape.gradient(loss, x)], [x])
        return max(losses) / losses[0]

    (usual,) = re.findall(r"start with (\S+)", report.help)
    assert worst(known) > 5
    assert worst(float(usual)) == 1


LOSSES: dict[str, Callable[[Report], None]] = {
    "NAN113": clipped_output,
    "NAN201": squared_error,
    "NAN202": squared_error_of_classes,
    "NAN203": activated_twice,
    "NAN204": linear_output,
    "NAN205": sigmoids_of_classes,
    "NAN206": one_unit,
    "NAN207": shares_as_questions,
    "NAN208": exchanged,
    "NAN209": one_term,
    "NAN210": relu_outputs,
    "NAN211": other_labels,
    "NAN212": added_up,
    "NAN213": all_pairs,
    "NAN214": along_the_batch,
    "NAN215": beyond_one,
    "NAN216": stopped,
    "NAN301": raw_data,
    "NAN401": large_rate,
    **ARCHITECTURE,
    **OPTIMISATION,
}


# ---- the programs themselves, with the machine's witness for their inputs

ROUNDED = "what is assumed is rounding, which inputs do not choose"
#: Fence -> why the inputs of some witness of it cannot be written down.
DEEPER = {
    "log-of-sigmoid:52": "what is assumed is a product with what a hidden layer computes",
    "lost-digits:example": "what is assumed is a difference of powers",
    "outside-domain:example": ROUNDED,
    "outside-domain:56": ROUNDED,
    "outside-domain:148": ROUNDED,
}


class NotInputs(Exception):
    """The number is not computed from inputs of the program in a way that can be turned round."""


def named(op: Op, trace: Trace, names: set[str]) -> str | None:
    """The input of the program whose numbers the op has, as they are."""
    for made in op.value.producers():
        for step, _ in (*trace.inputs, *trace.steps):
            scope: Scope | None = step.scope
            while scope is not None:
                for name in names & scope.names.keys():
                    if scope.names[name].op is made:
                        return name
                scope = scope.parent
    return None


Row = Callable[[int], list[float]]


def give(op: Op, row: Row, trace: Trace, values: dict[str, np.ndarray], axis: int = -1) -> None:
    """Set the inputs so that `op` has `row(n)` wherever n numbers stand along its `axis`.

    Raises:
        NotInputs: the op is no input, and no sum or product of inputs, nor one less its maximum.
    """
    name = named(op, trace, set(values))
    if name is not None:
        given = np.moveaxis(np.atleast_1d(values[name]), axis, -1)
        numbers = np.broadcast_to(row(given.shape[-1]), given.shape).astype(given.dtype)
        values[name] = np.moveaxis(numbers, -1, axis).reshape(values[name].shape)
    elif op.name == "matmul":
        give(operand(op, "x"), partial(head, 1.0, 0.0), trace, values)
        give(operand(op, "y"), row, trace, values)
    elif op.name == "add":
        give(operand(op, "x"), row, trace, values)
        give(operand(op, "y"), partial(head, 0.0, 0.0), trace, values)
    elif op.name == "sub" and operand(op, "y").name == "max":
        give(operand(op, "x"), row, trace, values)
    elif op.name == "sub":
        give(operand(op, "x"), row, trace, values)
        give(operand(op, "y"), partial(head, 0.0, 0.0), trace, values)
    elif op.name == "one_hot":
        # The first class, or an id that is none of them.
        give(operand(op, "x"), lambda n: [row(1)[0] - 1.0] * n, trace, values)
    elif op.name in ("relu", "sigmoid"):
        # -1 for a 0, and far out for a sigmoid.
        far = 104.0 if op.name == "sigmoid" else 1.0
        give(operand(op, "x"), lambda n: [far if number > 0 else -far for number in row(n)], trace, values)
    else:
        raise NotInputs(f"{op!r} of {trace}")


def operand(op: Op, name: str) -> Op:
    made = op.arg(name).op
    if made is None:
        raise NotInputs(f"{name} of {op!r}")
    return made


def inputs_of(trace: Trace, ordinary: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs of the program that the trace assumes; the others are as in an ordinary run."""
    values = dict(ordinary)
    for op, number in trace.inputs:
        if op.name == "softmax":
            gap, axis = float(GAPS[op.value.dtype or "float32"]), op.arg("axis").literal
            first, others = (gap, 0.0) if number == 1 else (0.0, gap)
            row = partial(head, first, others)
            give(operand(op, "x"), row, trace, values, -1 if axis is None else axis)
        elif op.name in ("std", "variance"):
            give(operand(op, "x"), partial(head, 1.0, 1.0), trace, values)
        elif op.name == "sum" and number == 1 and operand(op, "x").name == "exp":
            # Of these exponentials one is 1: that of the logit which is assumed, or of the next.
            logits = operand(operand(op, "x"), "x")
            logit = dict(trace.inputs)[logits]
            give(logits, partial(pair, logit, 0.0 if logit else -104.0, -104.0), trace, values)
        else:
            # What is less its maximum is 0 for the maximum.
            give(op, partial(head, number, 0.0 if op.name == "sub" else number), trace, values)
    return values


def head(first: float, others: float, n: int) -> list[float]:
    return [first] + [others] * (n - 1)


def pair(first: float, second: float, others: float, n: int) -> list[float]:
    return [first, second] + [others] * (n - 2)


@pytest.mark.parametrize("program", EXECUTED, ids=lambda program: program.id)
def test_the_program_breaks_at_the_witness(program: Executed) -> None:
    """Each trace, as inputs of the executed program: the value or a gradient is NaN or infinite."""
    inputs = read_inputs(program.inputs)
    reasons = [reason for fence, reason in DEEPER.items() if f"{program.id}:".startswith(f"{fence}:")]
    deeper, rounded = bool(reasons), ROUNDED in reasons
    traces = [report.witness for _, report in reports(program.text) if isinstance(report.witness, Trace)]
    done = 0
    for trace in traces:
        try:
            values = inputs_of(trace, inputs.ordinary[0])
        except NotInputs:
            assert deeper, f"{trace} is not turned into inputs"
            continue
        outcome = execute(program.text, values, inputs, v1=is_tensorflow_1(program.text))
        assert outcome.bad, f"{trace}: finite for {values}"
        done += 1
    # Rules about training speak of the same programs, and show no inputs.
    codes = {rule.code for rule, _ in reports(program.text) if rule.code.startswith("NAN1")}
    without = bool(codes) and codes <= set(EXECUTED_ONLY)
    assert done > 0 or rounded or without
    assert deeper == (done < len(traces))
