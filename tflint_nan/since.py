"""What is new in a project since a revision of git: found now, and not found in what was there then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tflint_nan.baseline import Baseline
from tflint_nan.files import File
from tflint_nan.fingerprint import fingerprints
from tflint_nan.job import HERE, Mode, Result, Workers
from tflint_nan.revision import checked_out, top
from tflint_nan.runner import run

if TYPE_CHECKING:
    from tflint_nan.cache import Cache


def run_since(
    revision: str,
    files: Sequence[File],
    mode: Mode,
    working: Path,
    cache: Cache | None = None,
    workers: Workers = HERE,
) -> list[Result]:
    """One result for each file, in the same order, without the findings that the revision has as well.

    The whole project is read as it was, so that a finding which a change elsewhere brought about is new.

    Args:
        revision: anything that git takes for a commit.
        files: what is checked; one that is in no revision is all new.
        mode: what is done with what is new.
        working: a folder of the repository.
        cache: results of files as they are now.
        workers: who checks.

    Raises:
        RevisionError: there is no such revision.
        tflint_nan.job.ClusterError: the workers are a cluster's, which cannot do it.
    """
    repository = top(working)
    now = run(files, replace(mode, fix=False, write=False), cache=cache, workers=workers)
    found = [file for file, result in zip(files, now, strict=True) if result.findings]
    with checked_out(revision, repository) as folder:
        then = run(list(_there(found, repository, folder)), Mode(), workers=workers)
        known = [mark for result in then for mark in fingerprints(result.findings, result.lines, str(folder))]
    baseline = Baseline(repository, frozenset(known))
    if not mode.fix:
        return [replace(one, findings=baseline.unknown(one.findings, one.lines)) for one in now]
    new = run(found, replace(mode, baseline=baseline), cache=cache, workers=workers)
    judged = dict(zip((file.path for file in found), new, strict=True))
    return [judged.get(file.path, result) for file, result in zip(files, now, strict=True)]


def _there(files: Sequence[File], repository: Path, folder: Path) -> Iterator[File]:
    """The files as they are in `folder`, under names of their own: imports are looked for beside them."""
    for file in files:
        path = file.path.resolve()
        if path.is_relative_to(repository):
            then = folder / path.relative_to(repository)
            if then.is_file():
                yield replace(file, path=then, name=str(then))
