"""Fixes of generated programs, executed: `programs_grammar` writes the programs.

What a safe fix leaves is the same function. Value and gradient agree wherever the original is finite, to the
rounding of the format, and further off only by as much as the original itself is off, which its twin in
float64 shows: the log of 1e-7, computed as `1 - sigmoid(16)`, has one right digit in float32. Where an edge
breaks the original, what all fixes leave is finite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lint import check, command
from lint import settings as lint_settings
from programs_grammar import FAMILIES, Family, Program
from tensorflow_run import TOLERANCE, Inputs, Outcome, outcomes

from tflint_nan.check import Mode, Result, check_bytes
from tflint_nan.finding import Applicability, Finding
from tflint_nan.registry import rules

#: Programs of each family. Each takes a fifth of a second: it is linted nine times and more, and run four.
EXAMPLES = 20
#: Codes of the rules of values.
VALUES = tuple(rule.code for rule in rules() if rule.code.startswith("NAN1"))
#: No shrinking: the programs are short, and what fails is shown as it is.
DRAWN = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
INPUTS = Inputs((), ())
SAFE, UNSAFE = Applicability.SAFE, Applicability.UNSAFE


def run(program: Program, text: str) -> list[Outcome]:
    """What a text of the program gives for its ordinary inputs, then on its edges."""
    return outcomes(text, (*program.ordinary, *program.edges), INPUTS, v1=program.v1)


def in_double(program: Program) -> list[Outcome]:
    """What the program gives in float64."""
    lines = [
        {n: v.astype("float64") for n, v in line.items()} for line in (*program.ordinary, *program.edges)
    ]
    return outcomes(program.text.replace(program.dtype, "float64"), lines, INPUTS, v1=program.v1)


def fixed(text: str, *, unsafe: bool, strict: bool) -> Result:
    mode = Mode(write=True, fix=True, unsafe=unsafe)
    return check_bytes(text.encode(), "case.py", lint_settings(strict), mode)


def fixable(findings: Sequence[Finding], *kinds: Applicability) -> Counter[str]:
    """Codes of the findings with such fixes."""
    return Counter(f.code for f in findings if f.fix is not None and f.fix.applicability in kinds)


def patched(text: str, diff: str) -> str:
    """`text` with a unified diff applied.

    Raises:
        AssertionError: the diff is one of another text.
    """
    old, new, at = text.splitlines(keepends=True), list[str](), 0
    for line in diff.splitlines(keepends=True):
        if line.startswith(("---", "+++")):
            continue
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0].removeprefix("-")) - 1
            new += old[at:start]
            at = start
            continue
        if line[0] in " -":
            assert old[at] == line[1:]
            at += 1
        if line[0] in " +":
            new.append(line[1:])
    return "".join(new + old[at:])


def assert_same(before: Outcome, after: Outcome, exact: Outcome, dtype: str, scale: float) -> None:
    """Wherever `before` is finite, `after` is the same, to rounding and to the error of `before`.

    `scale` is the largest input: what cancels in the gradient of a matrix product is as large. No path to an
    input is a gradient of 0.
    """
    relative, absolute = TOLERANCE[np.dtype(dtype)]
    news, truth = dict(after.arrays()), dict(exact.arrays())
    for name, old in before.arrays():
        new = news.get(name, np.zeros_like(old))
        with np.errstate(invalid="ignore"):
            error = np.nan_to_num(np.abs(truth.get(name, old) - old), nan=0.0)
            allowed = absolute * max(scale, 1) + relative * np.abs(old) + 2 * error
            wrong = np.isfinite(old) & ~(np.abs(new - old) <= allowed)
        assert not wrong.any(), f"{name} was\n{old}\nand is\n{new}\nin float64\n{truth.get(name)}"


def assert_content(
    program: Program, before: Sequence[Finding], result: Result, *kinds: Applicability
) -> None:
    """Nothing is left to fix or new, a second time changes nothing, and the diff is what was written."""
    after = result.data.decode()
    hopeless = Counter(f.code for f in before) - fixable(before, *kinds)
    # An activation by hand hides what is wrong with its log, for which there may be no safe fix: the two are
    # left to `--unsafe-fixes`, which the fix then says.
    hopeless += Counter(f.code for f in result.findings if f.fix and f.fix.applicability is UNSAFE)
    left = Counter(f.code for f in result.findings)
    assert left <= hopeless, [f"{f.code} {f.message}" for f in result.findings]
    twice = fixed(after, unsafe=UNSAFE in kinds, strict=program.strict)
    assert twice.data == result.data, "fixing twice changes more"
    assert patched(program.text, result.diff) == after
    if not fixable(before, *kinds):
        assert after == program.text


def judge(program: Program) -> set[str]:
    """Hold the fixes of a program to all that is promised of them; the codes of what has a fix."""
    before = check(program.text, strict=program.strict)
    safe, every = (fixed(program.text, unsafe=unsafe, strict=program.strict) for unsafe in (False, True))
    assert_content(program, before, safe, SAFE)
    assert_content(program, before, every, SAFE, UNSAFE)
    if not fixable(before, SAFE, UNSAFE):
        return set()
    original = run(program, program.text)
    exact = in_double(program) if program.twin else original
    ordinary = len(program.ordinary)
    after: list[Outcome] = []
    for text in dict.fromkeys((safe.data.decode(), every.data.decode())):
        after = run(program, text)
        broken = [f"{o.bad} for {line}" for o, line in zip(after, program.ordinary, strict=False) if o.bad]
        assert not broken or any(o.bad for o in original[:ordinary])
        if text == safe.data.decode():
            lines = (*program.ordinary, *program.edges)
            for line, *three in zip(lines, original, after, exact, strict=True):
                scale = max(float(np.abs(values).max()) for values in line.values())
                assert_same(*three, program.dtype, scale)
    # Of numbers that nothing in the program makes, such as a parameter, only a selected code speaks.
    if not check(every.data.decode(), strict=True, select=VALUES):
        edges = zip(program.edges, after[ordinary:], strict=True)
        broken = [f"{outcome.bad} for {line}" for line, outcome in edges if outcome.bad]
        assert not broken, f"{broken}\n{every.data.decode()}"
    return set(fixable(before, SAFE, UNSAFE))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_fix_keeps_its_promises(family: Family) -> None:
    seen: set[str] = set()

    @DRAWN
    @given(family.programs())
    def each(program: Program) -> None:
        seen.update(judge(program))

    each()
    assert family.codes <= seen


def test_the_command_writes_what_it_shows(tmp_path: Path) -> None:
    """`--diff` leaves the files alone and prints what makes `--fix` of them, through the command."""

    @settings(DRAWN, max_examples=5)
    @given(st.lists(st.one_of(*(family.programs() for family in FAMILIES)), min_size=6, max_size=6))
    def each(programs: list[Program]) -> None:
        files = {tmp_path / f"program_{number}.py": program.text for number, program in enumerate(programs)}
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        words = ("check", "--isolated", "--no-cache", "--strict", "--unsafe-fixes")
        shown = command(*words, "--diff", tmp_path).stdout
        assert {path: path.read_text(encoding="utf-8") for path in files} == files
        assert command(*words, "--fix", tmp_path).status in (0, 1)
        changes = {part.partition("\n")[0]: part for part in shown.split("--- ")[1:]}
        for path, text in files.items():
            diff = next((change for name, change in changes.items() if name.endswith(path.name)), None)
            after = path.read_text(encoding="utf-8")
            assert after == (text if diff is None else patched(text, f"--- {diff}"))

    each()
