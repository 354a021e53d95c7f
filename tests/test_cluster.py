"""Checks on a Dask cluster: a scheduler and worker processes of its own, which have none of the files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client
from lint import Run, command, settings

from tflint_nan import cluster
from tflint_nan.check import Surroundings, check_file
from tflint_nan.disk import Disk
from tflint_nan.job import ClusterError, Job, Mode, Result
from tflint_nan.modules import Modules
from tflint_nan.remote import Question, Reply, Sender, check_sent

WORKERS = 3
#: Loaded by each worker: what files do to it, and a list of the files that it opens itself.
GUARD = """\
import os, signal, sys, time
from pathlib import Path

MARKS = Path({marks!r})


def opened(event, words):
    if event in ("open", "os.listdir", "os.scandir") and words and "tflint-project" in str(words[0]):
        with (MARKS / "opened").open("a") as file:
            file.write(f"{{words[0]}}\\n")


def dask_setup(worker):
    from tflint_nan import remote

    check = remote.check_file

    def guarded(job, surroundings):
        name = Path(job.name).name
        (MARKS / f"begun-{{name}}").touch()
        if name.startswith("slow"):
            time.sleep(0.3)
        if name.startswith("killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("once"):
            killed = MARKS / f"killed-{{name}}"
            if not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return check(job, surroundings)

    remote.check_file = guarded
    sys.addaudithook(opened)
    (MARKS / f"pid-{{os.getpid()}}").touch()
"""

HELPER = "import tensorflow as tf\n\n\ndef probabilities(x):\n    return tf.nn.softmax(x)\n"
BUG = """\
import tensorflow as tf
from {module} import probabilities
weights = tf.Variable(tf.zeros([3, {number}]))
loss = -tf.reduce_sum(tf.math.log(probabilities(tf.ones([1, 3]) @ weights)))
"""


def notebook(text: str) -> str:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": text.splitlines(keepends=True)}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


#: Every way to a helper that its importer has; none of these files is on any disk.
NOWHERE = Path("/nowhere/tflint-project")
PROJECT = {
    "setup.py": "",
    "helper.py": HELPER,
    "package/__init__.py": "from .inner import probabilities\n",
    "package/inner.py": HELPER,
    "package/lazy.py": "from .inner import *\n",
    "spaces/plain.py": HELPER,
    "library/deep/far.py": HELPER,
    "beside.py": BUG.format(module="helper", number=2),
    "by_package.py": BUG.format(module="package", number=3),
    "by_star.py": BUG.format(module="package.lazy", number=4),
    "by_namespace.py": BUG.format(module="spaces.plain", number=5),
    "package/relative.py": BUG.format(module=".inner", number=6),
    "package/sub/above.py": BUG.format(module="..inner", number=7),
    "by_path.py": "import sys\nsys.path.append('library/deep')\n" + BUG.format(module="far", number=8),
    "by_attribute.py": "import tensorflow as tf\nimport package.inner\n"
    "x = tf.math.log(package.inner.probabilities(tf.Variable([1.0, 2.0])))\n",
    "book.ipynb": notebook(BUG.format(module="helper", number=9)),
    "clean.py": "import helper\n",
    "broken.py": "import tensorflow as (\n",
}
CHECKED = [name for name in PROJECT if name != "setup.py"]


class Nowhere(Disk):
    """Files that are on no disk."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(NOWHERE)
        self._contents = {NOWHERE / name: text.encode() for name, text in texts.items()}

    def _content(self, path: Path) -> bytes:
        try:
            return self._contents[self.absolute(str(path))]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None

    def is_file(self, path: Path) -> bool:
        return path in self._contents

    def names(self, folder: Path) -> frozenset[str]:
        inside = (path for path in self._contents if folder in path.parents)
        return frozenset(path.relative_to(folder).parts[0] for path in inside)


def jobs_of(names: Sequence[str]) -> list[Job]:
    return [Job(str(NOWHERE / name), name, settings(False), Mode()) for name in names]


def local(texts: Mapping[str, str], jobs: Sequence[Job]) -> list[Result]:
    surroundings = Surroundings(Nowhere(texts))
    return [check_file(job, surroundings) for job in jobs]


def told(results: Sequence[Result]) -> list[tuple[object, ...]]:
    """All but the summaries, which are those that were not known before."""
    return [
        (one.filename, one.findings, one.lines, one.rows, one.data, one.facts and one.facts.answers)
        for one in results
    ]


def until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


# What is sent.


def test_the_project_has_faults_that_only_its_other_files_show() -> None:
    alone = [local({name: PROJECT[name]}, jobs_of([name]))[0] for name in CHECKED]
    together = local(PROJECT, jobs_of(CHECKED))
    more = {
        one.filename
        for one, by_itself in zip(together, alone, strict=True)
        if one.findings != by_itself.findings
    }
    assert {"beside.py", "by_package.py", "by_star.py", "package/relative.py", "package/sub/above.py"} <= more
    assert {"by_namespace.py", "by_path.py", "by_attribute.py", "book.ipynb"} <= more


def test_whatever_is_missing_is_asked_for() -> None:
    """Even where nothing at all is sent along, results are those of the machine that has the files."""
    sender = Sender(Modules(Nowhere(PROJECT)))
    jobs = jobs_of([*CHECKED, "is_not_there.py"])
    replies: dict[Question, Reply] = {}
    for _ in range(20):
        answers = check_sent(jobs, NOWHERE, replies)
        missing = {question for said in answers if isinstance(said, frozenset) for question in said}
        if not missing:
            break
        assert missing.isdisjoint(replies)
        replies.update(sender.answer(missing))
    assert told([said for said in answers if isinstance(said, Result)]) == told(local(PROJECT, [*jobs]))


@pytest.mark.parametrize("name", sorted({*CHECKED} - {"by_path.py"}))
def test_what_is_imported_is_sent_along(name: str) -> None:
    jobs = jobs_of([name])
    (answer,) = check_sent(jobs, NOWHERE, Sender(Modules(Nowhere(PROJECT))).guess(jobs))
    assert isinstance(answer, Result)


def test_only_what_is_imported_is_sent_along() -> None:
    replies = Sender(Modules(Nowhere(PROJECT))).guess(jobs_of(["beside.py"]))
    assert {Path(path).name for kind, path in replies if kind == "content"} == {"beside.py", "helper.py"}


# A cluster.


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str
    marks: Path
    scheduler: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """Of the workers that are there."""
        pids = [int(path.name.removeprefix("pid-")) for path in self.marks.glob("pid-*")]
        return [pid for pid in pids if is_there(pid)]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def start(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler and workers of its own, in a folder of theirs."""
    marks = folder / "marks"
    marks.mkdir(parents=True)
    (folder / "guard.py").write_text(GUARD.format(marks=str(marks)))
    environment = {
        **os.environ,
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical",
    }
    file = folder / "scheduler.json"
    commands = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    ]
    if workers:
        words = ["--nworkers", str(workers), "--nthreads", "1", "--no-dashboard", "--preload", "guard.py"]
        commands.append(["worker", "--scheduler-file", str(file), "--local-directory", str(folder), *words])
    started = []
    try:
        for kind, *words in commands:
            log = (folder / f"{kind}.log").open("w")
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words],
                    cwd=folder,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
            until(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        found = Cluster(json.loads(file.read_text())["address"], marks, started[0])
        until(lambda: len(found.pids()) == workers)
        yield found
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from start(tmp_path_factory.mktemp("dask"), WORKERS)


def many(prefix: str, count: int, **others: str) -> dict[str, str]:
    """A helper and programs that need it."""
    programs = {f"{prefix}{n:03}.py": BUG.format(module="helper", number=n + 2) for n in range(count)}
    return {"helper.py": HELPER, **programs, **others}


def on(dask: Cluster, texts: Mapping[str, str], names: Sequence[str]) -> Iterator[Result]:
    return cluster.check_all(jobs_of(names), dask.address, Modules(Nowhere(texts)))


def test_results_are_those_of_a_local_run(dask: Cluster) -> None:
    names = [*CHECKED, "is_not_there.py"]
    assert told(list(on(dask, PROJECT, names))) == told(local(PROJECT, jobs_of(names)))


def test_a_worker_that_is_killed_at_a_file(dask: Cluster) -> None:
    texts = many("k", 60, **{"once.py": BUG.format(module="helper", number=77)})
    names = sorted(texts)
    results = list(on(dask, texts, names))
    assert (dask.marks / "killed-once.py").exists()
    assert told(results) == told(local(texts, jobs_of(names)))


def test_a_worker_that_is_killed_from_outside(dask: Cluster) -> None:
    texts = many("slow", 24) | many("o", 60)
    names = sorted(texts)
    running = on(dask, texts, names)
    results = [next(running)]
    until(lambda: any(dask.marks.glob("begun-slow*")))
    os.kill(dask.pids()[0], signal.SIGKILL)
    results += running
    assert told(results) == told(local(texts, jobs_of(names)))


def test_a_file_that_no_worker_survives(dask: Cluster) -> None:
    texts = many("f", 40, **{"killer.py": BUG.format(module="helper", number=78)})
    names = sorted(texts)
    results = list(on(dask, texts, names))
    expected = local(texts, jobs_of(names))
    number = names.index("killer.py")
    (finding,) = results[number].findings
    assert (finding.code, finding.filename) == ("NAN901", "killer.py")
    assert "its workers were lost" in finding.message
    results[number] = expected[number]
    assert told(results) == told(expected)


def test_work_is_not_handed_out_far_ahead(dask: Cluster) -> None:
    texts = many("a", 300)
    names = sorted(texts)
    running = on(dask, texts, names)
    next(running)
    time.sleep(2)
    most = (cluster.AHEAD * WORKERS + 1) * cluster.TOGETHER
    assert len(list(dask.marks.glob("begun-a*"))) <= most < 300
    running.close()  # type: ignore[attr-defined]
    until(lambda: is_idle(dask))


def is_idle(dask: Cluster) -> bool:
    with Client(dask.address, set_as_default=False) as client:
        return not any(client.processing().values())


# The command.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tflint-project"
    for name, text in PROJECT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(folder)
    return folder


def check(*words: str) -> Run:
    return command("check", "--isolated", "--no-cache", "--output-format", "json", *words)


def test_the_command_says_the_same(dask: Cluster, folder: Path) -> None:
    assert check("--dask", dask.address, ".") == check(".")
    assert not (dask.marks / "opened").exists()


def test_workers_would_be_seen_to_open_files(dask: Cluster, folder: Path) -> None:
    with Client(dask.address, set_as_default=False) as client:
        client.submit(os.listdir, str(folder)).result()
    assert str(folder) in (dask.marks / "opened").read_text()
    (dask.marks / "opened").unlink()


def test_fixes_are_written_here(dask: Cluster, folder: Path) -> None:
    text = "import tensorflow as tf\nx = tf.math.log(tf.nn.softmax(tf.Variable([1.0, 2.0])))\n"
    paths = [folder / name for name in ("here.py", "there.py")]
    for path in paths:
        path.write_text(text)
    check("--fix", "here.py")
    check("--fix", "--dask", dask.address, "there.py")
    assert paths[1].read_text() == paths[0].read_text() != text


def test_another_version(dask: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = cluster._identity()
    monkeypatch.setattr(cluster, "_identity", lambda: "tflint-nan 0.0.1")
    run = check("--dask", dask.address, ".")
    expected = f"error: --dask {dask.address}: a worker has {there}, this is tflint-nan 0.0.1\n"
    assert (run.status, run.stdout, run.stderr) == (2, "", expected)


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1", "carrier://pigeon:1"])
def test_a_wrong_address(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_ANSWER", 1.0)
    run = check("--dask", address, ".")
    assert (run.status, run.stdout) == (2, "")
    assert run.stderr.startswith(f"error: --dask {address}: no such cluster: ")
    assert run.stderr.count("\n") == 1


def test_without_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    run = check("--dask", "tcp://127.0.0.1:1", ".")
    assert (run.status, run.stdout) == (2, "")
    assert run.stderr == "error: --dask needs distributed: pip install 'tflint-nan[dask]'\n"


@pytest.mark.parametrize("words", [["--jobs", "2", "."], ["-"]])
def test_what_does_not_go_together(words: Sequence[str]) -> None:
    assert check("--dask", "tcp://127.0.0.1:1", *words).status == 2


def test_nothing_of_it_is_imported_otherwise(folder: Path) -> None:
    program = (
        "import sys; from tflint_nan.cli import main; main(['check', '--isolated', '--no-cache', '.'])\n"
        "print([name for name in sys.modules if name in ('distributed', 'dask', 'tflint_nan.cluster')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_interrupt(dask: Cluster, folder: Path) -> None:
    for number in range(60):
        (folder / f"slow_c{number}.py").write_text(BUG.format(module="helper", number=number + 2))
    words = ["check", "--isolated", "--no-cache", "--dask", dask.address, "."]
    with subprocess.Popen(
        [sys.executable, "-m", "tflint_nan", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: any(dask.marks.glob("begun-slow_c*")))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (130, "", "interrupted")
    until(lambda: is_idle(dask))


def test_a_cluster_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    for alone in start(tmp_path / "scheduler", 0):
        with pytest.raises(ClusterError, match="no workers for 1 seconds"):
            list(on(alone, PROJECT, CHECKED))


def test_a_cluster_that_is_lost(tmp_path: Path) -> None:
    texts = many("slow", 60)
    for lost in start(tmp_path / "lost", 1):
        running = on(lost, texts, sorted(texts))
        next(running)
        lost.scheduler.kill()
        with pytest.raises(ClusterError, match="the cluster is lost"):
            list(running)
