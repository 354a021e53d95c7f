"""What the pages of the rules about training claim, trained: the Example does not learn, its fix does.

Each page quotes two numbers, what the Example came to and what its fixed form did, with the same data, seed
and number of steps. They stand on the page alone: this module trains again and compares. `PROOFS` says how a
page's program is trained. A number may differ from the quoted one by `tolerance`, which is more than three
seeds differ by; the two numbers of a page lie further apart than that, so forms that are exchanged fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from lint import fix
from test_pages import code, sections
from training_run import (
    TRAIN,
    Array,
    Data,
    Fit,
    Loop,
    Names,
    Outcome,
    Steps,
    Whole,
    accuracy,
    features,
    log_loss,
    one_hot,
    pixels,
    scaled,
    squared_error,
)

from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules

SEED = 1
RULES = {rule.code: rule for rule in rules()}


@dataclass(frozen=True, slots=True)
class Proof:
    """`what` is measured, how, and how far the example's and the fix's number may be from the quoted one."""

    what: str
    run: Callable[[str, int], Outcome]
    tolerance: tuple[float, float] = (0.1, 0.05)
    more_is_better: bool = False


def right(run: Callable[[str, int], Outcome], worse: float = 0.1, better: float = 0.05) -> Proof:
    """A proof by the share of right answers; how far the example's and the fix's may be from the quoted."""
    return Proof("the accuracy", run, (worse, better), more_is_better=True)


def error(run: Callable[[str, int], Outcome], worse: float = 0.2, better: float = 0.1) -> Proof:
    """The same by the mean squared error, for targets whose variance is about 1."""
    return Proof("the squared error", run, (worse, better))


def by_sign(logits: Array, labels: Array) -> float:
    """The accuracy of logits."""
    return accuracy(logits + 0.5, labels)


def for_zero(outputs: Array, labels: Array) -> float:
    """The mean prediction where the label is 0."""
    return float(outputs[labels == 0].mean())


def on(part: str) -> Callable[[Names], float]:
    """The accuracy of a program's model on its `x_train` or `x_test`."""
    return lambda names: accuracy(names["model"].predict(names[f"x_{part}"]), names[f"y_{part}"])


def unlike(names: Names) -> float:
    """The mean squared error of what a program's model makes of the pictures of `x_test`, scaled."""
    outputs = names["model"].predict(names["x_test"])
    return float(np.mean((outputs - names["x_test"] / 255) ** 2))


def one_example(seed: int) -> Data:
    """The neuron of the example, asked for 0."""
    return Data("the input 1 with the label 0", *map(np.float32, ([1], [0], [1], [0])))


def nothing(seed: int) -> Data:
    return Data("the data of the example", *[np.zeros(1)] * 4)


def half_features(seed: int) -> Data:
    """Four features in float16, the last of which is always 0."""
    made = features(4, lambda x: x[:, :3] @ [[0.5], [-0.3], [0.2]])(seed)
    return made.map(lambda x: (x * [1, 1, 1, 0]).astype("float16"), lambda y: y.astype("float16"))


def sequences(steps: int, width: int) -> Callable[[int], Data]:
    """Sums over the last three steps; every 200th target to train with is wrong by a factor."""

    def make(seed: int) -> Data:
        last = [-1, -1 - width, -1 - 2 * width]
        rows = features(steps * width, lambda x: x[:, last].sum(1, keepdims=True) / 3**0.5)(seed)
        made = rows.map(lambda x: x.reshape(-1, steps, width))
        made.y[::200] *= 1000
        return replace(
            made, name=f"{TRAIN} generated sequences with one target of 200 that is 1000 times too large"
        )

    return make


def steps_of_sequences(seed: int) -> Data:
    """Six steps of four features, and the sum of the first feature."""
    made = features(24, lambda x: x[:, ::4].sum(1, keepdims=True) / 6**0.5)(seed)
    return replace(made.map(lambda x: x.reshape(-1, 6, 4)), name=f"{TRAIN} generated sequences")


def pictures(seed: int) -> Data:
    """Grey pictures of 384 by 384, and where they are bright: in five pixels of six."""
    x = np.random.default_rng(seed).uniform(-1, 5, (64, 384, 384, 1)).astype("float32")
    y = (x > 0).astype("float32")
    return Data("64 generated pictures", x, y, x[:16], y[:16])


def bits(x: Array) -> Array:
    """A label that is not quite linear in the features."""
    return x[:, :1] + x[:, 1:2] + x[:, 2:3] * x[:, 3:4] / 2 > 0


def plane(x: Array) -> Array:
    """A linear target, of which most features say nothing."""
    return (x[:, 0] + x[:, 1] - x[:, 2]) / 3**0.5


def plane_column(seed: int) -> Data:
    return PLANE(seed).map(y=lambda y: y[:, None])


HALVES = features(20, lambda x: x[:, :1] + x[:, 1:2] > 0)
XOR = features(4, lambda x: x[:, :1] * x[:, 1:2] > 0)
THREE = features(20, lambda x: np.eye(3)[(x @ np.random.default_rng(3).normal(size=(20, 3))).argmax(-1)])
PLANE = features(20, plane)
WAVES = features(20, lambda x: (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]) / 1.22)
DIGITS = {"data": one_hot, "feeds": ("x", "labels"), "measure": accuracy}

PROOFS = {
    "NAN201": Proof(
        "the output",
        Steps(one_example, 150, "y", for_zero, "train_step", ("xs", "ys"), batch=1),
    ),
    "NAN202": right(Fit(one_hot, 8, accuracy)),
    "NAN203": right(Steps(**DIGITS, steps=100, output="y"), 0.15, 0.05),
    "NAN204": right(Fit(scaled, 8, accuracy), 0.15, 0.05),
    "NAN205": Proof("the log loss of what `predict` returns", Fit(one_hot, 8, log_loss), (0.4, 0.2)),
    "NAN206": right(Fit(HALVES, 8, accuracy)),
    "NAN207": right(Fit(one_hot, 8, accuracy)),
    "NAN208": right(Steps(features(20, bits), 4000, "logits", by_sign)),
    "NAN209": right(Steps(features(8, bits), 5000, "p", accuracy), 0.15, 0.05),
    "NAN210": right(Fit(one_hot, 4, accuracy)),
    "NAN211": replace(right(Whole(on("train"))), what="the accuracy, or the error it stops with,"),
    "NAN212": right(Whole(on("test"))),
    "NAN213": error(Steps(features(8, plane), 3000, "prediction", squared_error)),
    "NAN214": right(Steps(THREE, 1500, "p", accuracy, alone=True)),
    "NAN215": Proof("the squared error", Whole(unlike), (0.05, 0.01)),
    "NAN216": right(Fit(HALVES, 8, by_sign)),
    "NAN301": right(Whole(on("test"))),
    "NAN302": right(Whole(on("train")), 0.2, 0.05),
    "NAN303": Proof("the loss on test data", Whole(lambda names: names["loss"]), (5.0, 0.2)),
    "NAN401": right(Steps(**DIGITS, steps=300, output="logits", train="train_step")),
    "NAN402": Proof("the loss", Steps(nothing, 1000, "loss", lambda loss, _: float(loss), feeds=())),
    "NAN403": Proof(
        "the loss", Whole(lambda n: float(n["loss"]), lambda n: n["step"] + 1, "the data of the example")
    ),
    "NAN404": error(Loop(sequences(10, 3), 400, squared_error), 9, 0.1),
    "NAN405": error(Fit(sequences(20, 8), 5, squared_error), 2.5, 0.1),
    "NAN406": error(Fit(PLANE, 10, squared_error)),
    "NAN501": error(Fit(PLANE, 5, squared_error)),
    "NAN502": right(Steps(**DIGITS, steps=300, output="logits"), 0.15, 0.05),
    "NAN503": error(Fit(WAVES, 10, squared_error), 0.3, 0.15),
    "NAN504": right(Fit(XOR, 10, accuracy)),
    "NAN505": Proof("the mean prediction for the label 0", Fit(HALVES, 8, for_zero), (0.1, 0.1)),
    "NAN506": right(Fit(HALVES, 8, accuracy)),
    "NAN601": error(Steps(half_features, 1000, "prediction", squared_error)),
    "NAN602": right(Fit(pixels, 4, accuracy), 0.15, 0.05),
    "NAN603": error(Loop(plane_column, 1000, squared_error), 0.4, 0.1),
    "NAN604": error(Fit(steps_of_sequences, 10, squared_error)),
    "NAN605": error(Loop(pictures, 40, squared_error), 0.1, 0.02),
}

#: Neither stops a program from learning by itself: a callback and a check that tell of a NaN.
NO_CLAIM = {"NAN407"}


def quote(proof: Proof, rule: str, outcome: Outcome) -> str:
    """The sentence of a page, `{}` standing for the example's number and the fixed form's."""
    return (
        f"Measured on {outcome.data}: {proof.what} after {outcome.steps} steps is {{}} for the example "
        f"and {{}} with the fix (`pytest tests/test_training_proof.py -k {rule}`)."
    )


def quoted(page: str, sentence: str) -> tuple[str, str]:
    """The two numbers of the sentence, wherever the page breaks its lines."""
    pattern = re.escape(sentence).replace(r"\{\}", r"([\w.]+)").replace(r"\ ", r"\s+")
    found = re.search(pattern, sections(page)["Use instead"])
    assert found is not None, f"the page does not say, under 'Use instead': {sentence}"
    return found[1], found[2]


def agrees(number: float | str, told: str, tolerance: float) -> bool:
    """Whether a measured number is the told one; NaN, inf and the name of an error are only themselves."""
    if isinstance(number, str) or not np.isfinite(number):
        return str(number).lower() == told.lower()
    return told[0].isdigit() and abs(number - float(told)) <= tolerance


def apart(proof: Proof, worse: str, better: str) -> bool:
    """Whether the told numbers say that the fix is better, by more than what is tolerated."""
    if not worse[0].isdigit():
        return better[0].isdigit()
    if not better[0].isdigit():
        return False
    gap = float(better) - float(worse) if proof.more_is_better else float(worse) - float(better)
    return gap > sum(proof.tolerance)


def forms(rule: Rule) -> tuple[str, str, str]:
    """Example, "Use instead", and what `--fix --unsafe-fixes` makes of the example."""
    example = code(rule.page, "Example")
    return (
        example,
        code(rule.page, "Use instead"),
        fix(example, unsafe=True, strict=rule.level is Level.STRICT),
    )


def test_every_rule_about_training_has_a_proof() -> None:
    about_training = {code for code in RULES if "NAN2" <= code < "NAN7"} - NO_CLAIM
    assert about_training == PROOFS.keys()
    assert {code for code, rule in RULES.items() if "Measured on" in rule.page} == PROOFS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("number", PROOFS)
@pytest.mark.filterwarnings("ignore")
def test_training_comes_to_the_quoted_numbers(number: str) -> None:
    rule, proof = RULES[number], PROOFS[number]
    example, instead, fixed = forms(rule)
    before, after = proof.run(example, SEED), proof.run(instead, SEED)
    worse, better = quoted(rule.page, quote(proof, number, after))
    told = f"measured {before.number} and {after.number}, the page says {worse} and {better}"
    assert apart(proof, worse, better), told
    assert agrees(before.number, worse, proof.tolerance[0]), told
    assert agrees(after.number, better, proof.tolerance[1]), told
    if fixed not in (example, instead):
        written = proof.run(fixed, SEED)
        assert agrees(written.number, better, proof.tolerance[1]), f"--fix comes to {written.number}"


@pytest.mark.parametrize(("worse", "better"), [("ValueError", "0.90"), ("NaN", "0.05"), ("0.40", "0.90")])
def test_exchanged_forms_fail(worse: str, better: str) -> None:
    proof = right(Fit(one_hot, 1, accuracy), 0.2, 0.1)
    assert apart(proof, worse, better)
    assert not apart(proof, better, worse)
    measured = float(worse) if worse != "ValueError" else worse
    assert agrees(measured, worse, 0.2)
    assert agrees(float(better), better, 0.1)
    assert not agrees(measured, better, 0.1)
    assert not agrees(float(better), worse, 0.2)


def test_numbers_within_tolerance_are_not_apart() -> None:
    assert not apart(right(Fit(one_hot, 1, accuracy), 0.2, 0.1), "0.60", "0.85")
    assert not apart(error(Fit(one_hot, 1, squared_error), 0.2, 0.1), "0.40", "0.85")
