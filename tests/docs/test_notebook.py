"""The notebook of the docs: executed from start to end on a run, and its output is that of its cells."""

import warnings
from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from segpipe.commands.demo.samples import write_photos
from tests.helpers.pages import DOCS, small

nbformat = pytest.importorskip("nbformat", reason="the docs extra is not installed")
NOTEBOOK = DOCS / "tutorials" / "notebook.ipynb"


def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own packages
        from nbclient import NotebookClient
    monkeypatch.chdir(tmp_path)
    reef = tmp_path / "reef"
    reef.mkdir()
    write_photos(reef, count=4, seed=0)
    labels = ["--evaluate.labels=reef/labels", "--evaluate.classes=reef/classes.txt"]
    assert run_cli([*small(["run", "reef/images", "runs/demo"], tmp_path), *labels]) == 0
    made = nbformat.read(NOTEBOOK, as_version=4)
    stored = [cell.get("outputs") for cell in made.cells]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell, before in zip(made.cells, stored, strict=True):
        if cell.cell_type == "code":
            assert [output.output_type for output in cell.outputs] == [output.output_type for output in before]
            assert all(output.output_type != "error" for output in cell.outputs)
    pictures = [
        output for cell in made.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 4
