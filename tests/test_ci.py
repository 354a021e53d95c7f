"""What `docs/ci.md` and `action.yml` tell CI servers, held against their published schemas, and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BUG = "import tensorflow as tf\ny = tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0])))\n"


def fences(heading: str) -> list[str]:
    """The YAML of a section."""
    section = re.split(r"^## ", TEXT.split(f"## {heading}\n", 1)[1], flags=re.MULTILINE)[0]
    return re.findall(r"^```yaml\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def is_valid(schema: str, path: Path) -> bool:
    words = ["check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, check=False)
    return done.returncode == 0


def test_the_action_is_one() -> None:
    assert is_valid("github-actions", ROOT / "action.yml")


def test_github_s_workflow_is_one(tmp_path: Path) -> None:
    job, steps = fences("GitHub Actions")
    workflow = yaml.safe_load(f"on: push\n{job}")
    workflow["jobs"]["nan"]["steps"] += yaml.safe_load(steps)
    path = tmp_path / "workflow.yml"
    path.write_text(yaml.safe_dump(workflow).replace("true:", "on:"))
    assert is_valid("github-workflows", path)
    path.write_text(path.read_text().replace("runs-on", "run-on"))
    assert not is_valid("github-workflows", path)


def test_gitlab_s_job_is_one_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = fences("GitLab CI")
    path = tmp_path / "gitlab-ci.yml"
    path.write_text(job)
    assert is_valid("gitlab-ci", path)
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(BUG)
    command = yaml.safe_load(job)["nan"]["script"][-1]
    assert shell(command).returncode == 1
    report = yaml.safe_load(job)["nan"]["artifacts"]["reports"]["codequality"]
    assert '"check_name": "NAN101"' in Path(report).read_text()


def test_shards_of_github_s_matrix_are_all_there_are(tmp_path: Path) -> None:
    job, _ = fences("Several jobs, several machines")
    path = tmp_path / "workflow.yml"
    path.write_text(f"on: push\n{job}")
    assert is_valid("github-workflows", path)
    nan = yaml.safe_load(job)["jobs"]["nan"]
    (words,) = [step["with"]["args"] for step in nan["steps"] if "with" in step]
    indices = nan["strategy"]["matrix"]["shard"]
    assert indices == list(range(1, len(indices) + 1))
    assert words == f"check --shard ${{{{ matrix.shard }}}}/{len(indices)}"


def test_gitlab_s_parallel_jobs_find_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = fences("Several jobs, several machines")
    path = tmp_path / "gitlab-ci.yml"
    path.write_text(job)
    assert is_valid("gitlab-ci", path)
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        Path(f"a{number}.py").write_text(BUG)
    nan = yaml.safe_load(job)["nan"]
    count = nan["parallel"]
    command = f"{nan['script'][-1]} --output-format concise --quiet --exit-zero"
    runs = [
        shell(command, CI_NODE_INDEX=str(index), CI_NODE_TOTAL=str(count)) for index in range(1, count + 1)
    ]
    assert [run.returncode for run in runs] == [0] * count
    found = sorted(line.partition(":")[0] for run in runs for line in run.stdout.splitlines())
    assert found == sorted(f"a{number}.py" for number in range(12))
    assert sum(bool(run.stdout) for run in runs) > 1


def test_the_other_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(BUG)
    old = TEXT.split("## An old project\n", 1)[1]
    commands = re.findall(r"^(tflint-nan .*?)(?: +#.*)?$", old, flags=re.MULTILINE)[:2]
    assert [shell(command).returncode for command in commands] == [0, 0]
    scan = next(step["run"] for step in yaml.safe_load(fences("GitHub Actions")[1]) if "run" in step)
    assert shell(scan).returncode == 0
    assert '"ruleId": "NAN101"' in Path("tflint-nan.sarif").read_text()


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(
        ["bash", "-e", "-c", command], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.slow
def test_the_action_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its script, as a runner of GitHub's would start it."""
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(BUG)
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (step,) = action["runs"]["steps"]
    done = shell(
        step["run"],
        VERSION=action["inputs"]["version"]["default"],
        HERE=str(ROOT),
        ARGS="check --isolated a.py",
        RUNNER_TEMP=str(tmp_path),
        GITHUB_ACTIONS="true",
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error title=tflint-nan (NAN101),file=a.py,line=2")
