"""What a command was asked to check, files and folders or standard input, and the results of that."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflint_nan import files, runner
from tflint_nan.config import Configs
from tflint_nan.job import HERE, Mode, Result, Workers
from tflint_nan.output import Failure, progress

if TYPE_CHECKING:
    from tflint_nan.cache import Cache
    from tflint_nan.shard import Shard

#: What standard input is called among paths, and in reports where it has no other name.
STDIN = "-"


def of_paths(
    paths: tuple[str, ...],
    configs: Configs,
    working: Path,
    mode: Mode,
    cache: Cache | None,
    *,
    diff_base: str | None = None,
    quiet: bool = False,
    shard: Shard | None = None,
    workers: Workers = HERE,
) -> tuple[list[Result], bool]:
    """The results of all files, and True where a path could not be read.

    Args:
        paths: files and folders.
        configs: where the configuration of a file is found.
        working: the folder that names in reports are relative to.
        mode: what is done with the files.
        cache: results of an earlier run.
        diff_base: the revision of git whose findings are left out.
        quiet: whether bars and warnings are unwanted.
        shard: the part of the files that is checked.
        workers: who checks.

    Raises:
        Failure: there is no such revision.
        tflint_nan.baseline.BaselineError: a configuration names a baseline that cannot be read.
        tflint_nan.config.ConfigError: a configuration cannot be read.
        tflint_nan.job.ClusterError: the workers are a cluster's, which cannot do it.
    """
    found = files.find(paths, configs, working)
    for name, reason in found.errors:
        click.echo(f"error: {name}: {reason}", err=True)
    mine = found.files if shard is None else shard.of(found.files)
    if diff_base is None:
        with progress(len(mine), quiet) as checked:
            results = runner.run(mine, mode, checked, cache, workers)
    else:
        from tflint_nan import revision, since

        try:
            results = since.run_since(diff_base, mine, mode, working, cache, workers)
        except revision.RevisionError as error:
            raise Failure(f"--diff-base {diff_base}: {error}") from error
    if not quiet and not found.errors:
        if not found.files:
            click.echo("warning: no Python files or notebooks found under the given paths", err=True)
        elif (
            shard is None
            and any(map(os.path.isdir, paths))
            and not any(one.has_tensorflow for one in results)
        ):
            click.echo("warning: nothing to check: no file here uses TensorFlow or Keras", err=True)
    return results, bool(found.errors)


def of_stdin(configs: Configs, working: Path, filename: str | None, mode: Mode) -> Result:
    """The result of standard input, without findings where its file name is excluded.

    Raises:
        tflint_nan.baseline.BaselineError: the configuration names a baseline that cannot be read.
        tflint_nan.config.ConfigError: the configuration cannot be read.
    """
    from tflint_nan.check import check_bytes

    data = sys.stdin.buffer.read()
    path = Path(os.path.abspath(filename)) if filename else working / STDIN
    config = configs.of(path.parent)
    name = files.display_name(path, working) if filename else STDIN
    if filename and config.force_exclude and config.excludes(path, folder=False):
        return Result(name, data=data)
    return check_bytes(data, name, config.settings(path), replace(mode, baseline=config.known()))


def kept_in(configs: Configs, working: Path, given: Path | None) -> Cache:
    """The cache in the folder that is given, else where the configuration of the working folder has it."""
    from tflint_nan import cache

    folder = cache.location(configs.of(working), working) if given is None else working / given
    return cache.Cache(folder, working)
