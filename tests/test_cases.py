"""Every fence of `tests/cases/*.md`; `tests/cases/README.md` says how they are written."""

from __future__ import annotations

import difflib

import pytest
from cases_reader import CASES, Case, Expectation, case_files, expectations, read
from lint import check, fix

from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules
from tflint_nan.unused import UNUSED

FILES = {file.rule: file for file in case_files()}
ALL = [case for file in FILES.values() for case in file.cases]
AT_LEAST = 4
RULES = (*rules(), UNUSED)


def selected(case: Case) -> tuple[str, ...]:
    """What is selected for a case: the rule of its file, where that is on only then, and what it lists so."""
    listed = {e.code for e in case.expectations if e.level == "select"}
    return tuple(
        rule.code
        for rule in RULES
        if rule.code in listed or (rule.name == case.rule and rule.level is Level.OPTIONAL)
    )


def differences(case: Case, *levels: str, strict: bool = False, select: tuple[str, ...] = ()) -> list[str]:
    """What is missing, what is extra and what says something else, one line each.

    All findings of these settings are compared with what the case lists of these levels; of what is selected,
    weaker evidence is shown, too.
    """
    missing = sorted(
        e for e in case.expectations if e.level in levels or (e.level == "strict" and e.code in select)
    )
    problems = []
    for finding in check(case.text, strict=strict, select=select):
        row = finding.span.start.row
        match = next(
            (e for e in missing if (e.row, e.code) == (row, finding.code) and e.message in finding.message),
            None,
        )
        if match is not None:
            missing.remove(match)
        else:
            problems.append(f"row {row}: not expected: {finding.code} {finding.message!r}")
    problems += [f"row {e.row}: missing: {e.code} with {e.message!r}" for e in missing]
    source = case.text.splitlines()
    return [
        f"{problem}\n    {source[int(problem[4 : problem.index(':')]) - 1].strip()}" for problem in problems
    ]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_findings(case: Case) -> None:
    problems = differences(case, "error")
    assert not problems, f"tests/cases/{case.rule}.md:{case.row}\n" + "\n".join(problems)


@pytest.mark.parametrize(
    "case",
    [case for case in ALL if any(e.level != "error" for e in case.expectations)],
    ids=lambda case: case.id,
)
def test_strict_findings(case: Case) -> None:
    problems = differences(case, "error", "strict", strict=True)
    assert not problems, f"tests/cases/{case.rule}.md:{case.row} --strict\n" + "\n".join(problems)


@pytest.mark.parametrize("case", [case for case in ALL if selected(case)], ids=lambda case: case.id)
def test_selected_findings(case: Case) -> None:
    problems = differences(case, "error", "select", select=selected(case))
    assert not problems, f"tests/cases/{case.rule}.md:{case.row} --extend-select\n" + "\n".join(problems)


@pytest.mark.parametrize("case", [case for case in ALL if case.fixed is not None], ids=lambda case: case.id)
def test_fixed(case: Case) -> None:
    fixed = fix(case.text, unsafe=True, strict=is_strict(case), select=selected(case))
    same_text(fixed, case.fixed, case)


@pytest.mark.parametrize(
    "case", [case for case in ALL if case.fixed_safe is not None], ids=lambda case: case.id
)
def test_fixed_safe(case: Case) -> None:
    fixed = fix(case.text, unsafe=False, strict=is_strict(case), select=selected(case))
    same_text(fixed, case.fixed_safe, case)


def same_text(actual: str, expected: str | None, case: Case) -> None:
    assert expected is not None
    diff = difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "is", lineterm="")
    assert actual == expected, f"tests/cases/{case.rule}.md:{case.row}\n" + "\n".join(diff)


def is_strict(case: Case) -> bool:
    """Whether `--strict` shows more of a case, or its rule is shown by `--strict` only."""
    if any(e.level == "strict" for e in case.expectations):
        return True
    return any(rule.name == case.rule and rule.level is Level.STRICT for rule in rules())


def fires(case: Case, rule: Rule) -> bool:
    return any(e.code == rule.code for e in case.expectations)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_cases(rule: Rule) -> None:
    assert rule.name in FILES, f"tests/cases/{rule.name}.md is missing"
    cases = FILES[rule.name].cases
    firing = [case for case in cases if fires(case, rule)]
    silent = [case for case in cases if not fires(case, rule)]
    assert len(firing) >= AT_LEAST, f"{len(firing)} fences fire, {AT_LEAST} are asked for"
    assert len(silent) >= AT_LEAST, f"{len(silent)} fences are silent, {AT_LEAST} are asked for"
    if rule.level is Level.DEFAULT:
        by_default = [case for case in firing if any(e.level == "error" for e in case.expectations)]
        assert by_default, "no fence fires by default"


def test_every_case_file_is_of_a_rule() -> None:
    assert set(FILES) <= {rule.name for rule in RULES}


def test_cases_have_their_own_sentences() -> None:
    for case in ALL:
        assert case.title, f"tests/cases/{case.rule}.md:{case.row}: a sentence is missing"


def test_reader_takes_expectations_off() -> None:
    text, found = expectations('a = 1\nb = f(a)  # error: 101 "say \\"so\\"" # strict: 209 "x"\n')
    assert text == "a = 1\nb = f(a)\n"
    assert found == (Expectation(2, "NAN101", 'say "so"'), Expectation(2, "NAN209", "x", "strict"))
    assert expectations('f()  # select: 405 "y"')[1] == (Expectation(1, "NAN405", "y", "select"),)


@pytest.mark.parametrize(
    "row", ["x  # error: 101", "x  # error 101", 'x  # error: NAN101 "m"', 'x # error: 101 "m" and']
)
def test_reader_refuses_what_it_cannot_read(row: str) -> None:
    if ":" not in row:
        assert expectations(row) == (row, ())  # an ordinary comment
        return
    with pytest.raises(ValueError, match="row 1"):
        expectations(row)


def test_reader_refuses_strange_fences(tmp_path) -> None:
    path = tmp_path / "some-rule.md"
    path.write_text("Why.\n\n```python fixt\n```\n")
    with pytest.raises(ValueError, match=r"some-rule.md:3: unknown kind"):
        read(path)
    path.write_text("Why.\n\n```python fixed\n```\n")
    with pytest.raises(ValueError, match="without a fence of code"):
        read(path)


def test_there_are_case_files() -> None:
    assert CASES.is_dir()
    assert ALL
