"""Notebooks as Jupyter's own library makes and validates them: one program over their cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lint import command

SETUP = """\
%matplotlib inline
!pip install tensorflow
import tensorflow as tf
w = tf.Variable(tf.random.normal([4, 3]))"""
MODEL = "x = tf.ones([2, 4])\nlogits = tf.matmul(x, w)\np = tf.nn.softmax(logits)"
LOSS = "labels = tf.one_hot([0, 2], 3)\nprint(p)\nloss = -tf.reduce_mean(labels * tf.math.log(p))"
OTHERS = ["%%bash\necho 'log('", "files = !ls\nresult = await something()", "x?", "this is (no Python"]


def version_4() -> Any:
    v4 = nbformat.v4
    cells = [v4.new_markdown_cell("# Training"), v4.new_code_cell(SETUP, execution_count=1)]
    cells += [v4.new_code_cell(MODEL), *(v4.new_code_cell(text) for text in OTHERS)]
    cells.append(
        v4.new_code_cell(
            LOSS, outputs=[v4.new_output("stream", text="nan\n")], metadata={"collapsed": True, "id": "é"}
        )
    )
    return v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    )


def version_3() -> Any:
    v3 = nbformat.v3
    cells = [v3.new_text_cell("markdown", source="# Training")]
    cells += [v3.new_code_cell(input=text, language="python") for text in (SETUP, MODEL, *OTHERS)]
    cells.append(
        v3.new_code_cell(
            input=LOSS, language="python", outputs=[v3.new_output("stream", output_text="nan\n")]
        )
    )
    return v3.new_notebook(worksheets=[v3.new_worksheet(cells=cells)], metadata=v3.new_metadata(name="n"))


def colab(notebook: Any) -> Any:
    notebook.metadata = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "P"}}
    for cell in notebook.cells:
        cell.metadata = {"id": "aZ09", "cellView": "form"}
    return notebook


def vscode(notebook: Any) -> Any:
    notebook.metadata = {"language_info": {"name": "python"}}
    for cell in notebook.cells:
        cell.metadata = {"vscode": {"languageId": "python"}}
    return notebook


@pytest.mark.parametrize(
    "notebook",
    [version_4(), version_3(), colab(version_4()), vscode(version_4())],
    ids=["4", "3", "colab", "vscode"],
)
@pytest.mark.parametrize("indent", [1, 2, None])
def test_a_notebook_is_fixed_and_stays_one(tmp_path: Path, notebook: Any, indent: int | None) -> None:
    path = tmp_path / "n.ipynb"
    # As Jupyter writes it: lines in lists.
    split = nbformat.v4.rwbase.split_lines if notebook.nbformat == 4 else nbformat.v3.rwbase.split_lines
    before = json.loads(json.dumps(split(nbformat.from_dict(json.loads(json.dumps(notebook))))))
    text = json.dumps(before, indent=indent, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    nbformat.validate(nbformat.reads(text, as_version=nbformat.NO_CONVERT))

    found = command("check", "--isolated", "--output-format", "json", path)
    assert sorted((finding["code"], finding["cell"]) for finding in found.findings) == [
        ("NAN101", 8),
        ("NAN900", 7),
    ]
    command("check", "--isolated", "--fix", path)
    after = path.read_text(encoding="utf-8")
    nbformat.validate(nbformat.reads(after, as_version=nbformat.NO_CONVERT))
    # Nothing but the lines of one cell has changed, and these are the fix.
    lines = [line for line in after.split("\n") if line not in text.split("\n")]
    if indent is not None:
        assert len(lines) == 1
    assert "log_softmax(logits)" in "".join(lines) or "cross_entropy" in "".join(lines)
    changed = [
        (old, new) for old, new in zip(_cells(before), _cells(json.loads(after)), strict=True) if old != new
    ]
    assert len(changed) == 1
    old, new = changed[0]
    key = "source" if "source" in old else "input"
    assert {**old, key: None} == {**new, key: None}
    rest = {**before, "cells": None, "worksheets": None}
    assert {**json.loads(after), "cells": None, "worksheets": None} == rest


def _cells(notebook: Any) -> list[Any]:
    return notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]


def test_scripts_with_cells_and_shell_lines(tmp_path: Path) -> None:
    path = tmp_path / "percent.py"
    cells = [SETUP, MODEL, "[markdown]\n# Not code.", "!ls -la\nfiles = !ls", LOSS]
    text = "".join(f"# %%\n{cell}\n\n" for cell in cells).replace("# %%\n[markdown]", "# %% [markdown]")
    path.write_text(text)
    found = command("check", "--isolated", "--output-format", "json", path)
    (finding,) = found.findings
    row = text.split("\n").index("loss = -tf.reduce_mean(labels * tf.math.log(p))") + 1
    assert (finding["code"], finding["cell"], finding["location"]["row"]) == ("NAN101", None, row)
