"""Reports for other programs, read by those programs or by the rules that they publish."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import jsonschema
import pytest
from counterparts import node_package
from test_report import FINDING

from tflint_nan.cli import main
from tflint_nan.finding import Finding, Related, Severity
from tflint_nan.notebook import cell_rows, read_cells
from tflint_nan.report import Report, render

EXAMPLES = Path(__file__).parent.parent / "examples"
FAULT = replace(FINDING, code="NAN900", name="unreadable-file", message="not Python", fix=None, related=())
ODD = replace(
    FINDING, filename="a dir/50%,é:x\udcff.py", message="one\ntwo, 50%: ünï \x1b", witness="a <b> & c"
)
BUG = "import tensorflow as tf\ny = tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0])))\n"


def multitool(log: Path, tmp_path: Path) -> list[tuple[str, str]]:
    """What the validator of SARIF's authors says of a log: (level, rule), notes left out."""
    folder = node_package("@microsoft/sarif-multitool-linux")
    program, said = folder / "Sarif.Multitool", tmp_path / "validation.sarif"
    program.chmod(0o755)
    words = ["validate", str(log), "--json-schema", str(folder / "sarif-2.1.0.json")]
    words += ["--output", str(said), "--log", "ForceOverwrite", "--level", "Error;Warning", "--kind", "Fail"]
    subprocess.run([str(program), *words], check=True, capture_output=True)
    results = json.loads(said.read_text(encoding="utf-8-sig"))["runs"][0].get("results", [])
    return [(result.get("level", "warning"), result["ruleId"]) for result in results]


def schema() -> Any:
    folder = node_package("@microsoft/sarif-multitool-linux")
    return json.loads((folder / "sarif-2.1.0.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sarif_of_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = tmp_path_factory.mktemp("sarif") / "examples.sarif"
    words = ["check", "--isolated", "--strict", "--output-format", "sarif", "--output-file", str(log)]
    assert main([*words, str(EXAMPLES)]) == 1
    return log


def test_sarif_of_the_examples_is_valid(sarif_of_examples: Path, tmp_path: Path) -> None:
    assert multitool(sarif_of_examples, tmp_path) == []
    jsonschema.validate(json.loads(sarif_of_examples.read_text()), schema())


def test_the_validator_sees_what_is_wrong(sarif_of_examples: Path, tmp_path: Path) -> None:
    log = json.loads(sarif_of_examples.read_text())
    for result in log["runs"][0]["results"]:
        result["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    broken = tmp_path / "broken.sarif"
    broken.write_text(json.dumps(log))
    assert "error" in {level for level, _ in multitool(broken, tmp_path)}


@pytest.mark.parametrize(
    "findings",
    [[], [FAULT], [ODD], [FINDING, replace(FINDING, cell=2, filename="n.ipynb"), FAULT]],
    ids=["none", "fault", "odd", "mixed"],
)
def test_sarif_of_anything_is_valid(findings: list[Finding], tmp_path: Path) -> None:
    log = tmp_path / "log.sarif"
    log.write_text(render("sarif", Report(findings)))
    jsonschema.validate(json.loads(log.read_text()), schema())
    assert [level for level, _ in multitool(log, tmp_path) if level == "error"] == []


def test_sarif_points_at_the_code(sarif_of_examples: Path) -> None:
    """The text of every region, as a reader of the log takes it from the file, is the snippet beside it."""
    run = json.loads(sarif_of_examples.read_text())["runs"][0]
    root = Path(unquote(urlparse(run["originalUriBaseIds"]["SRCROOT"]["uri"]).path))
    locations = [place for result in run["results"] for place in _locations(result)]
    assert len(locations) > len(run["results"])
    for location in locations:
        artifact, region = (location["physicalLocation"][key] for key in ("artifactLocation", "region"))
        uri = unquote(urlparse(artifact["uri"]).path)
        path = root / uri if "uriBaseId" in artifact else Path(uri)
        text = path.read_text(encoding="utf-8").splitlines()[region["startLine"] - 1 : region["endLine"]]
        shown = region["snippet"]["text"].splitlines()
        if path.suffix == ".ipynb":
            assert all(json.dumps(line)[1:-1] in text[index] for index, line in enumerate(shown))
        else:
            text[-1] = text[-1][: region["endColumn"] - 1]
            text[0] = text[0][region["startColumn"] - 1 :]
            assert shown == text


def _locations(result: dict[str, Any]) -> list[dict[str, Any]]:
    flows = [flow["threadFlows"][0]["locations"] for flow in result.get("codeFlows", [])]
    steps = [step["location"] for flow in flows for step in flow]
    return [*result["locations"], *result.get("relatedLocations", []), *steps]


def test_sarif_s_flow_goes_from_the_producer_to_the_sink() -> None:
    result = json.loads(render("sarif", Report([FINDING])))["runs"][0]["results"][0]
    steps = [step["location"] for step in result["codeFlows"][0]["threadFlows"][0]["locations"]]
    assert [step["message"]["text"] for step in steps] == ["softmax: [0, 1]", FINDING.message]
    assert steps[-1]["physicalLocation"]["region"]["startLine"] == 5


def test_sarif_s_fix_makes_the_change() -> None:
    run = json.loads(render("sarif", Report([FINDING])))["runs"][0]
    change = run["results"][0]["fixes"][0]["artifactChanges"][0]
    assert change["artifactLocation"]["uri"] == "train.py"
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 5, "startColumn": 27, "endLine": 5, "endColumn": 36},
            "insertedContent": {"text": "tf.nn.log_softmax(logits)"},
        }
    ]


def test_a_fault_is_no_result_of_sarif() -> None:
    run = json.loads(render("sarif", Report([FAULT])))["runs"][0]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False
    assert json.loads(render("sarif", Report([FINDING])))["runs"][0]["invocations"][0]["executionSuccessful"]


def test_fingerprints_are_those_of_the_code() -> None:
    def of(*findings: Finding, lines: list[str]) -> list[str]:
        report = Report(findings, lines={("train.py", None): lines})
        run = json.loads(render("sarif", report))["runs"][0]
        return [next(iter(result["partialFingerprints"].values())) for result in run["results"]]

    down = replace(FINDING, span=replace(FINDING.span, start=replace(FINDING.span.start, row=6)))
    (here,) = of(FINDING, lines=["", "", "", "", "x = log(p)"])
    assert of(down, lines=["", "", "", "", "", "    x =  log(p)"]) == [here]
    assert of(FINDING, lines=["", "", "", "", "x = log(q)"]) != [here]
    assert len(set(of(FINDING, FINDING, lines=["", "", "", "", "x = log(p)"]))) == 2


def test_github() -> None:
    related = (Related("softmax: [0, 1]", "train.py", FINDING.span),)
    assert render("github", Report([replace(FINDING, related=related)])) == (
        "::error title=tflint-nan (NAN101),file=train.py,line=5,endLine=5,col=27,endColumn=36"
        "::train.py:5:27: NAN101 the log of a softmax output is -inf\n"
        "Found 1 error.\n1 fixable with --fix.\n"
    )
    warning = render("github", Report([replace(ODD, severity=Severity.WARNING)])).splitlines()[0]
    assert warning.startswith("::warning title=tflint-nan (NAN101),file=a dir/50%25%2Cé%3Ax")
    assert "one%0Atwo, 50%25: ünï" in warning


@pytest.mark.parametrize(("value", "expected"), [("true", "::error"), ("false", "error["), ("", "error[")])
def test_github_is_chosen_in_its_workflows(
    value: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    Path("a.py").write_text(BUG)
    main(["check", "--isolated", "a.py"])
    assert capsys.readouterr().out.startswith(expected)
    main(["check", "--isolated", "--output-format", "concise", "a.py"])
    assert capsys.readouterr().out.startswith("a.py:2:")


#: What "Code Quality report format" in GitLab's documentation asks for.
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string"},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^./]"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def test_gitlab() -> None:
    twice = [FINDING, replace(FINDING, cell=2), ODD]
    found = json.loads(render("gitlab", Report(twice)))
    jsonschema.validate(found, GITLAB)
    assert len({one["fingerprint"] for one in found}) == len(found)
    assert found[0]["location"] == {"path": "train.py", "lines": {"begin": 5, "end": 5}}


def test_junit() -> None:
    root = ElementTree.fromstring(render("junit", Report([FINDING, FAULT, ODD])))
    suites = {suite.get("name"): suite for suite in root}
    assert [(name, s.get("tests"), s.get("failures"), s.get("errors")) for name, s in suites.items()] == [
        ("train.py", "2", "1", "1"),
        ("a dir/50%,é:x\N{REPLACEMENT CHARACTER}.py", "1", "1", "0"),
    ]
    case = suites["train.py"][0]
    assert (case.get("line"), case[0].tag, case[0].get("type")) == ("5", "failure", "NAN101")
    assert FINDING.witness in (case[0].text or "")
    nothing = ElementTree.fromstring(render("junit", Report([])))
    assert (nothing[0].get("tests"), nothing[0].get("failures"), len(nothing[0])) == ("1", "0", 1)


def test_json_lines() -> None:
    report = Report([FINDING, FAULT])
    lines = render("json-lines", report).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(render("json", report))


def test_output_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(BUG)
    main(["check", "--isolated", "--output-format", "json", "a.py"])
    expected = capsys.readouterr().out
    assert main(["check", "--isolated", "--output-format", "json", "--output-file", "out.json", "a.py"]) == 1
    assert capsys.readouterr() == ("", "")
    assert Path("out.json").read_text() == expected
    assert main(["check", "--isolated", "--output-file", "no/folder.txt", "a.py"]) == 2
    assert "no/folder.txt" in capsys.readouterr().err


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("as_list", [True, False])
def test_rows_of_a_notebook_s_cells(indent: int | None, as_list: bool) -> None:
    """Each line of a cell is found in the row of the document that is named for it."""
    texts = ["import a\n\nb = 'é'\n", "x = 1\ny = 2", "", "one line"]
    cells = [
        {"cell_type": "code", "source": text.splitlines(keepends=True) if as_list else text} for text in texts
    ]
    document = json.dumps({"metadata": {}, "cells": cells}, indent=indent)
    rows = document.split("\n")
    for cell in read_cells(document):
        lines = cell.text.split("\n")
        found = cell_rows(document, cell.number)
        assert len(found) == len(lines)
        for line, row in zip(lines, found, strict=True):
            assert json.dumps(line)[1:-1] in rows[row - 1]
