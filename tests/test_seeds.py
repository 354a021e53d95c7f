"""What five documents about NaN describe: found, repaired, and, where one gives curves, reproduced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from lint import check_files, command
from tensorflow_run import run_tensorflow_1

SEEDS = Path(__file__).parent / "seeds"


@dataclass(frozen=True, slots=True)
class Seed:
    """A script of a document: what is written in the places of its capital names, and what is found there.

    `after` holds what `--fix --unsafe-fixes` leaves. Where it is `strict`, `--strict` finds it.
    """

    id: str
    script: str
    found: list[str]
    put: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()
    strict: bool = False

    @property
    def options(self) -> list[str]:
        return ["--strict"] if self.strict else []

    def write(self, folder: Path) -> Path:
        text = (SEEDS / self.script).read_text(encoding="utf-8")
        for name, code in self.put:
            assert name in text
            text = text.replace(name, code)
        path = folder / self.script
        path.write_text(text, encoding="utf-8")
        return path


def cross_entropy(id: str, loss: str, *found: str) -> Seed:
    return Seed(id, "cross_entropy.py", list(found), (("LOSS", loss),))


def log_of_output(id: str, activation: str, loss: str, *found: str, rate: str = "0.01") -> Seed:
    put = (("ACTIVATION", activation), ("LOSS", loss), ("Optimizer(0.01)", f"Optimizer({rate})"))
    return Seed(id, "log_of_output.py", list(found), put)


def hand_written_network(id: str, *found: str, strict: bool = False, **put: str) -> Seed:
    written = {"SIZES": "784, 1000, 10", "SPREAD": ", stddev=0.05", "RATE": "0.1"} | put
    # A loop makes hidden layers and output, so no fix can give one of them a relu.
    after = tuple(code for code in found if code == "NAN503")
    return Seed(id, "hand_written_network.py", list(found), tuple(written.items()), after, strict)


START_AT_2 = (("0.6", "2."), ("0.9", "2."))
CROSS_ENTROPY = (("tf.pow(ys-y, 2)/2", "-tf.reduce_mean(ys*tf.log(y))"),)
BOTH_TERMS = "-1 / (2 * m) * tf.reduce_sum(y * tf.log({p}) + (1 - y) * tf.log({q}))"

SEED_LIST = [
    cross_entropy("000-squared-loss-of-a-sigmoid", "tf.reduce_sum((y - sigma) ** 2 / 2)", "NAN201"),
    cross_entropy("000-cross-entropy", BOTH_TERMS.format(p="sigma", q="1 - sigma"), "NAN102", "NAN102"),
    cross_entropy("000-small-constant", BOTH_TERMS.format(p="sigma + 1e-9", q="1 - sigma + 1e-9")),
    cross_entropy(
        "000-small-constant-that-does-nothing",
        BOTH_TERMS.format(p="1e-9 + sigma", q="1e-9 + 1 - sigma"),
        "NAN104",
    ),
    Seed("001-start-at-0.6-and-0.9", "one_neuron.py", ["NAN201"]),
    Seed("001-start-at-2-and-2", "one_neuron.py", ["NAN201", "NAN502"], START_AT_2),
    hand_written_network(
        "001-deep-stack-of-sigmoids", "NAN202", "NAN503", SIZES="784, 100, 100, 100, 100, 10"
    ),
    Seed("001-cross-entropy", "one_neuron.py", ["NAN102", "NAN209"], CROSS_ENTROPY),
    log_of_output("002-log-of-relu", "tf.nn.relu", "tf.log(y)", "NAN103"),
    log_of_output("002-log-of-softmax", "tf.nn.softmax", "tf.log(y)", "NAN101"),
    log_of_output("002-log-of-sigmoid", "tf.nn.sigmoid", "tf.log(y)", "NAN102", "NAN209"),
    log_of_output("002-clipped", "tf.nn.relu", "tf.log(tf.clip_by_value(y,1e-8,1.0))"),
    log_of_output(
        "002-clipped-up-to-the-largest", "tf.nn.relu", "tf.log(tf.clip_by_value(y,1e-8,tf.reduce_max(y)))"
    ),
    log_of_output("002-clipped-softmax", "tf.nn.softmax", "tf.log(tf.clip_by_value(y,1e-8,1.0))"),
    log_of_output(
        "002-rate-too-high", "tf.nn.softmax", "tf.log(tf.clip_by_value(y,1e-8,1.0))", "NAN401", rate="10.0"
    ),
    Seed("003-script", "keras_mnist.py", ["NAN301", "NAN301", "NAN205", "NAN504"]),
    Seed("003-notebook", "keras_mnist.ipynb", ["NAN301", "NAN301", "NAN205", "NAN504"]),
    Seed(
        "003-mse",
        "keras_mnist.py",
        ["NAN301", "NAN301", "NAN202", "NAN504"],
        (("loss = 'categorical_crossentropy'", "loss = 'mean_squared_error'"),),
    ),
    hand_written_network("004-sigmoids-and-squares", "NAN202", "NAN401", RATE="3.0"),
    hand_written_network("004-many-layers", "NAN202", "NAN503", SIZES="784, 1000, 1000, 1000, 10"),
    hand_written_network("004-wide-start", "NAN202", "NAN502", SPREAD=", stddev=2.0"),
    hand_written_network("004-usual-start-of-tutorials", "NAN202", "NAN502", SPREAD="", strict=True),
]


@pytest.mark.parametrize("seed", SEED_LIST, ids=lambda seed: seed.id)
def test_found(seed: Seed, tmp_path: Path) -> None:
    run = check_files(seed.write(tmp_path), options=seed.options)
    assert sorted(run.codes) == sorted(seed.found)
    assert run.status == (1 if seed.found else 0)


@pytest.mark.parametrize("seed", [seed for seed in SEED_LIST if seed.found], ids=lambda seed: seed.id)
def test_repaired(seed: Seed, tmp_path: Path) -> None:
    path = seed.write(tmp_path)
    before = path.read_text(encoding="utf-8")
    command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", *seed.options, path)
    assert path.read_text(encoding="utf-8") != before
    run = check_files(path, options=seed.options)
    assert sorted(run.codes) == sorted(seed.after)
    assert run.status == (1 if seed.after else 0)


def test_witness_is_told(tmp_path: Path) -> None:
    """Document 002: an output layer reaches exactly 0 "when its input is very large or very small"."""
    for seed in SEED_LIST:
        for finding in check_files(seed.write(tmp_path)).findings:
            if finding["code"] in ("NAN101", "NAN102", "NAN103"):
                assert finding["witness"], seed.id
                assert finding["related"], seed.id


def test_keras_script_is_repaired_as_its_answer_says(tmp_path: Path) -> None:
    """Document 003: divide both arrays of pixels by 255, ten outputs that are one distribution, and "set
    activation='relu' for your first dense layer".
    """
    path = next(seed for seed in SEED_LIST if seed.id == "003-script").write(tmp_path)
    before = path.read_text(encoding="utf-8").splitlines()
    command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", path)
    after = path.read_text(encoding="utf-8").splitlines()
    new = [row for row in after if row not in before]
    assert "!git clone https://github.com/DanorRon/data" in after
    assert any(row.startswith("x_train = ") and "255" in row for row in new)
    assert any(row.startswith("x_test = ") and "255" in row for row in new)
    assert any("Dense(10, activation='softmax'" in row for row in new)
    assert 'model.add(layers.Dense(784, input_shape=(784,), activation="relu"))' in new
    assert len([row for row in before if row not in after]) <= 3


def test_notebook_stays_a_notebook(tmp_path: Path) -> None:
    path = next(seed for seed in SEED_LIST if seed.id == "003-notebook").write(tmp_path)
    before = json.loads(path.read_text(encoding="utf-8"))
    assert {finding["cell"] for finding in check_files(path).findings} <= set(
        range(1, len(before["cells"]) + 1)
    )
    command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", path)
    after = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        n for n, (old, new) in enumerate(zip(before["cells"], after["cells"], strict=True)) if old != new
    ]
    assert changed
    for number in changed:
        assert {**before["cells"][number], "source": 0} == {**after["cells"][number], "source": 0}
    assert {**before, "cells": 0} == {**after, "cells": 0}


# Document 001: its two curves, and that of the repaired script.


def curve(seed_id: str, folder: Path, *, fixed: bool) -> np.ndarray:
    """What the script prints: the neuron's output at each of 300 steps; it should be 0."""
    path = next(seed for seed in SEED_LIST if seed.id == seed_id).write(folder)
    if fixed:
        command("check", "--isolated", "--no-cache", "--fix", "--unsafe-fixes", path)
    printed = run_tensorflow_1(path.read_text(encoding="utf-8"))
    return np.array([float(row) for row in printed.split()])


def test_one_neuron_learns_from_its_mistakes(tmp_path: Path) -> None:
    good_start = curve("001-start-at-0.6-and-0.9", tmp_path, fixed=False)
    bad_start = curve("001-start-at-2-and-2", tmp_path, fixed=False)
    assert len(good_start) == len(bad_start) == 300
    assert good_start[-1] == pytest.approx(0.1, abs=0.02)
    assert bad_start[-1] == pytest.approx(0.2, abs=0.02)
    assert bad_start[150] > 0.75, "hardly moved in the first 150 steps"

    repaired = curve("001-start-at-2-and-2", tmp_path, fixed=True)
    assert len(repaired) == 300
    assert repaired[0] == pytest.approx(bad_start[0]), "the start is the same"
    assert repaired[-1] <= good_start[-1]
    for target in (0.5, 0.3, 0.2, 0.12):
        assert np.argmax(repaired < target) <= np.argmax(good_start < target), f"slower down to {target}"
