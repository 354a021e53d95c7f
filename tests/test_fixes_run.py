"""Original and fixed code, executed in TensorFlow; `tests/cases/README.md` says how inputs are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from cases_reader import case_files
from lint import check, fix
from tensorflow_run import TOLERANCE, Outcome, execute, is_tensorflow_1, read_inputs
from test_pages import code

from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules

FILES = {file.rule: file for file in case_files()}


@dataclass(frozen=True, slots=True)
class Program:
    """Text with inputs; `strict` where its finding is only shown so."""

    id: str
    text: str
    inputs: str
    strict: bool

    def fixed(self, *, unsafe: bool) -> str:
        return fix(self.text, unsafe=unsafe, strict=self.strict)


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
                found.append(Program(case.id, case.text, case.inputs, strict))
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
