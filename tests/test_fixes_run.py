"""Original and fixed code, executed in TensorFlow; `tests/cases/README.md` says how inputs are given."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
import training_run
from cases_reader import case_files
from lint import check, fix
from tensorflow_run import TOLERANCE, Outcome, execute, is_tensorflow_1, read_inputs
from test_pages import code
from training_run import digits, world
from training_run import execute as execute_script

from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules

FILES = {file.rule: file for file in case_files()}


@dataclass(frozen=True, slots=True)
class Program:
    """Text with inputs; `strict` where its finding is only shown so, `select` where only by its code."""

    id: str
    text: str
    inputs: str
    strict: bool
    select: tuple[str, ...] = ()

    def fixed(self, *, unsafe: bool) -> str:
        return fix(self.text, unsafe=unsafe, strict=self.strict, select=self.select)


def programs() -> list[Program]:
    found = []
    for rule in rules():
        file = FILES.get(rule.name)
        if file is None:
            continue
        if file.example_inputs is not None:
            text = code(rule.page, "Example")
            found.append(
                Program(f"{rule.name}:example", text, file.example_inputs, rule.level is Level.STRICT)
            )
        for case in file.cases:
            if case.inputs is not None:
                strict = any(e.level == "strict" for e in case.expectations)
                select = tuple({e.code for e in case.expectations if e.level == "select"})
                found.append(Program(case.id, case.text, case.inputs, strict, select))
    return found


PROGRAMS = programs()
#: Rules whose witness is no NaN, but a loss without any gradient by its logits.
FLAT = ("guard-kills-gradient",)


def moves(outcome: Outcome) -> bool:
    """Whether the loss has a gradient by the logits that is not 0."""
    gradient = outcome.gradients["logits"]
    return gradient is not None and bool(np.any(gradient))


def run(program: Program, text: str, which: str) -> list[Outcome]:
    """The outcome for each line of `which` kind; the generation is that of the original."""
    inputs = read_inputs(program.inputs)
    v1 = is_tensorflow_1(program.text)
    return [execute(text, values, inputs, v1=v1) for values in getattr(inputs, which)]


def assert_agree(before: Outcome, after: Outcome) -> None:
    relative, absolute = TOLERANCE[before.value.dtype]
    for (name, old), (_, new) in zip(before.arrays(), after.arrays(), strict=True):
        np.testing.assert_allclose(new, old, rtol=relative, atol=absolute, err_msg=name)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_ordinary_inputs(program: Program) -> None:
    before = run(program, program.text, "ordinary")
    assert before, "an ordinary: line is missing"
    assert [outcome.bad for outcome in before] == [[]] * len(before)
    safe = program.fixed(unsafe=False)
    for old, new in zip(before, run(program, safe, "ordinary"), strict=True):
        assert_agree(old, new)
    everything = program.fixed(unsafe=True)
    assert everything != program.text, "nothing was fixed"
    after = run(program, everything, "ordinary")
    assert [outcome.bad for outcome in after] == [[]] * len(after)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_witness(program: Program) -> None:
    before = run(program, program.text, "witness")
    assert before, "a witness: line is missing"
    after = run(program, program.fixed(unsafe=True), "witness")
    if program.id.startswith(FLAT):
        assert [moves(outcome) for outcome in before] == [False] * len(before), "the original has a gradient"
        assert [moves(outcome) for outcome in after] == [True] * len(after)
    else:
        assert all(outcome.bad for outcome in before), "the original is finite on a witness"
    assert [outcome.bad for outcome in after] == [[]] * len(after)


#: What is found there is finite, a gradient that is 0; `test_training_rules.py` trains with it.
FINITE = {"NAN113"}


@pytest.mark.parametrize(
    "rule",
    [r for r in rules() if r.code.startswith("NAN1") and r.code not in FINITE],
    ids=lambda rule: rule.name,
)
def test_every_value_rule_is_run(rule: Rule) -> None:
    found = check(code(rule.page, "Example"), strict=rule.level is Level.STRICT)
    if any(finding.fix is not None for finding in found):
        assert rule.name in FILES
        assert FILES[rule.name].example_inputs is not None, "its case file has no ```inputs example fence"


TRAINING = [rule for rule in rules() if "NAN2" <= rule.code < "NAN9"]
#: Shapes of an example that models without an input layer are tried with: features, pictures, a sequence.
SHAPES = ((20,), (28, 28, 1), (8, 20))


def fixed_scripts(rule: Rule) -> list[tuple[str, str]]:
    """The texts with a fix that the page and the case file of a rule show, and what becomes of them."""
    strict = rule.level is Level.STRICT
    example = code(rule.page, "Example")
    pairs = [(example, fix(example, unsafe=True, strict=strict))]
    for case in FILES[rule.name].cases:
        pairs += [(case.text, after) for after in (case.fixed, case.fixed_safe) if after is not None]
    return [(before, after) for before, after in pairs if before != after]


def trouble(text: str, *, v1: bool) -> str | None:
    """What stops a whole script, and one step of a Keras model that it compiles and does not train."""
    try:
        with tf.Graph().as_default() if v1 else world(0), world(0):
            names = execute_script(text, v1=v1)
            for model in {id(m): m for m in names.values() if isinstance(m, keras.Model)}.values():
                if model.compiled and not int(model.optimizer.iterations):
                    one_step(model)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:60]}"
    return None


def one_step(model: keras.Model) -> None:
    """Fit a model to four examples of zeros, if one of `SHAPES` is its input's."""
    for shape in [model.input_shape[1:]] if model.built else SHAPES:
        x = np.zeros((4, *shape), "float32")
        try:
            y = np.asarray(model(x))
        except ValueError:
            continue  # an input of another kind
        sparse = "sparse" in str(getattr(model.loss, "name", model.loss))
        model.fit(x, np.zeros(4) if sparse else np.zeros_like(y), verbose=0)
        return


@pytest.mark.slow
@pytest.mark.parametrize("rule", TRAINING, ids=lambda rule: rule.name)
def test_what_the_fixes_of_training_rules_write_runs(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs, or is stopped by the very thing that stops the original: data that is not there."""
    pictures = digits(0).map(lambda values: values[:64], lambda labels: labels[:64])
    monkeypatch.setattr(training_run, "digits", lambda seed: pictures)
    pairs = fixed_scripts(rule)
    ran = 0
    for before, after in pairs:
        v1 = is_tensorflow_1(before)
        stopped = trouble(after, v1=v1)
        assert stopped is None or stopped == trouble(before, v1=v1), after
        ran += stopped is None
        keras.backend.clear_session()
    assert ran or not pairs, "no fix of this rule is executed"
