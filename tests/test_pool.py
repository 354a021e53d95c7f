"""Many files in several processes: order, neighbours, processes that are killed, Ctrl-C."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from lint import command, settings

from tflint_nan import pool
from tflint_nan.check import Surroundings, check_file, check_source
from tflint_nan.job import Job, Mode, Result

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, with what is patched")

HELPER = "import tensorflow as tf\n\n\ndef probabilities(x):\n    return tf.nn.softmax(x)\n"
PROGRAM = """\
import tensorflow as tf
from helper import probabilities
weights = tf.Variable(tf.zeros([3, {number}]))
loss = -tf.reduce_sum(tf.math.log(probabilities(tf.ones([1, 3]) @ weights)))
"""


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def project(folder: Path, count: int) -> list[Job]:
    """A helper and programs that need it, every third of them without a fault."""
    (folder / "helper.py").write_text(HELPER)
    names = [f"p{number:03}.py" for number in range(count)]
    for number, name in enumerate(names):
        text = PROGRAM.format(number=number + 2)
        (folder / name).write_text(text if number % 3 else text.replace("tf.math.log", "tf.identity"))
    return [Job(str(folder / name), name, settings(False), Mode()) for name in names]


def here(jobs: Sequence[Job]) -> list[Result]:
    """The results without processes."""
    surroundings = Surroundings()
    return [check_file(job, surroundings) for job in jobs]


def patched(monkeypatch: pytest.MonkeyPatch, before: Callable[[Job], object]) -> None:
    """Have the processes call `before` before each file."""

    def check(job: Job, surroundings: Surroundings) -> Result:
        before(job)
        return check_file(job, surroundings)

    monkeypatch.setattr(pool, "check_file", check)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def without_facts(results: Sequence[Result]) -> list[tuple[object, ...]]:
    return [(result.filename, result.findings, result.lines, result.rows) for result in results]


def test_garbage_waits_until_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long file's graph is millions of objects, all of them needed: to go through them finds nothing."""
    reading = [False]
    looked_for: list[bool] = []

    def read(*given: Any) -> Result:
        reading[0] = True
        try:
            return check_source(*given)
        finally:
            reading[0] = False

    def seen(phase: str, _: object) -> None:
        looked_for.append(reading[0])

    monkeypatch.setattr("tflint_nan.check.check_source", read)
    before = gc.get_threshold()
    gc.set_threshold(1000)
    gc.callbacks.append(seen)
    try:
        here(project(tmp_path, 4))
    finally:
        gc.callbacks.remove(seen)
        gc.set_threshold(*before)
    assert looked_for, "between the files it is looked for"
    assert True not in looked_for


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_are_those_of_one_process(tmp_path: Path, processes: int) -> None:
    jobs = project(tmp_path, 40)
    results = list(pool.check_all(jobs, processes))
    assert without_facts(results) == without_facts(here(jobs))
    assert [bool(result.findings) for result in results] == [bool(number % 3) for number in range(40)]


def test_a_process_that_is_killed_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = project(tmp_path, 40)
    killed = tmp_path / "killed"

    def once(job: Job) -> None:
        if job.name == "p016.py" and not killed.exists():
            killed.touch()
            kill()

    patched(monkeypatch, once)
    results = list(pool.check_all(jobs, 2))
    assert killed.exists()
    assert without_facts(results) == without_facts(here(jobs))


def test_files_that_kill_their_process_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = project(tmp_path, 40)
    killers = [0, 7, 8, 39]
    patched(monkeypatch, lambda job: kill() if int(job.name[1:4]) in killers else None)
    results = list(pool.check_all(jobs, 3))
    expected = here(jobs)
    for number in killers:
        (finding,) = results[number].findings
        assert (finding.code, finding.filename) == ("NAN901", jobs[number].name)
        assert "killed by SIGKILL" in finding.message
        results[number] = expected[number]
    assert without_facts(results) == without_facts(expected)


def test_the_others_are_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = project(tmp_path, 100)
    begun = tmp_path / "begun"

    def note(job: Job) -> None:
        with begun.open("a") as file:
            file.write(f"{job.name}\n")
        if job.name == "p010.py":
            kill()

    patched(monkeypatch, note)
    list(pool.check_all(jobs, 2))
    names = begun.read_text().split()
    assert sorted(names) == sorted([*(job.name for job in jobs), *["p010.py"] * (pool.TRIES - 1)])


def test_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, 12)
    patched(monkeypatch, lambda job: kill() if job.name == "p004.py" else None)
    run = command("check", "--isolated", "--no-cache", "--output-format", "json", "--jobs", "2", ".")
    assert run.status == 2
    assert run.codes.count("NAN901") == 1
    assert run.codes.count("NAN101") == 7


def test_results_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is there before the last is begun, and nobody works far ahead of who does not take them."""
    jobs = project(tmp_path, 90)
    marks = tmp_path / "marks"
    marks.mkdir()
    patched(monkeypatch, lambda job: (marks / job.name).touch())
    results = pool.check_all(jobs, 2)
    assert next(results).filename == "p000.py"
    time.sleep(0.5)
    assert len(list(marks.iterdir())) <= 4 * pool.AHEAD
    assert len(list(results)) == 89
    assert len(list(marks.iterdir())) == 90


def test_neighbours_go_to_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = project(tmp_path, 6 * pool.RUN)
    monkeypatch.setattr(pool, "check_file", lambda job, _: Result(f"{os.getpid()}"))
    who = [result.filename for result in pool.check_all(jobs, 2)]
    assert len(set(who)) == 2
    assert {len(set(who[start : start + pool.RUN])) for start in (0, pool.RUN)} == {1}


def test_who_has_nothing_left_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = project(tmp_path, 20)
    marks = tmp_path / "marks"
    marks.mkdir()

    def first_is_slow(job: Job) -> None:
        if job.name == "p000.py":
            # All but itself, and what its process was given along with it.
            until(lambda: len(list(marks.iterdir())) >= len(jobs) - pool.AHEAD)
        (marks / job.name).touch()

    patched(monkeypatch, first_is_slow)
    assert without_facts(list(pool.check_all(jobs, 2))) == without_facts(here(jobs))


def test_who_stops_early_leaves_no_process(tmp_path: Path) -> None:
    others = children(os.getpid())
    results = pool.check_all(project(tmp_path, 40), 3)
    assert len(list(islice(results, 2))) == 2
    started = children(os.getpid()) - others
    assert len(started) == 3
    results.close()  # type: ignore[attr-defined]
    assert not started & children(os.getpid())


def children(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return set()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, with enough to do for three processes."""
    body = "".join(f"y{number} = tf.math.log(tf.nn.softmax(x * {number}))\n" for number in range(3000))
    for number in range(24):
        (tmp_path / f"p{number}.py").write_text(f"import tensorflow as tf\nx = tf.Variable([1.0])\n{body}")
    words = ["check", "--isolated", "--no-cache", "--jobs", "3", "."]
    with subprocess.Popen(
        [sys.executable, "-m", "tflint_nan", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        until(lambda: len(children(process.pid)) == 3)
        yield process
        process.kill()


def is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_interrupt_ends_all_at_once(running: subprocess.Popen[str]) -> None:
    os.killpg(running.pid, signal.SIGINT)
    stdout, stderr = running.communicate(timeout=20)
    assert (running.returncode, stdout, stderr.strip()) == (130, "", "interrupted")
    assert is_empty(running.pid)


def test_processes_end_with_a_parent_that_is_killed(running: subprocess.Popen[str]) -> None:
    running.kill()
    running.wait()
    until(lambda: is_empty(running.pid))
