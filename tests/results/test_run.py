"""A run in Python: what it is, which image a name means, and that nothing is written."""

import builtins
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import segpipe
from segpipe.results.run import Run
from tests.helpers.run_view import BAY, ONE, READERS, error_of


def contents(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = f"{path.stat().st_mtime_ns} {digest}"
    return found


def test_stages_are_what_the_manifest_says(done: Path) -> None:
    said = json.loads((done / "manifest.json").read_text())["stages"]
    run = Run(str(done))
    assert run.path == done
    assert run.stages == {name: record["summary"] for name, record in said.items()}
    assert list(run.stages) == [
        "index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report",
    ]  # fmt: skip
    assert repr(run) == f"Run({str(done)!r}: finished)"


@pytest.mark.parametrize("name", [BAY, "bay/reef_02.jpg", "reef_02", "reef_02.jpg"])
def test_an_image_is_found_by_id_path_or_name(done: Path, name: str) -> None:
    run = Run(done)
    np.testing.assert_array_equal(run.mask(name), run.mask(BAY))


def test_a_name_that_is_none_of_the_run(done: Path) -> None:
    run = Run(done)
    assert error_of(lambda: run.mask("reef_33")).endswith(f"is not an image of {done}; did you mean {ONE}?")
    assert "run.images lists them" in error_of(lambda: run.features("xxxxxxxxxx"))


def test_nothing_is_written_and_no_lock_is_needed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, opened = contents(copy), builtins.open
    (copy / ".lock").touch()
    before = contents(copy)

    def no_writing(file, mode="r", *more, **named):
        assert not (set(mode) & set("wxa+") and str(file).startswith(str(copy))), file
        return opened(file, mode, *more, **named)

    monkeypatch.setattr(builtins, "open", no_writing)
    run = Run(copy)
    with run._reader.run_dir.lock():  # as a stage at work holds it
        held = contents(copy)
        for read in READERS.values():
            read(run)
        run._repr_html_()
        assert contents(copy) == held
    after = contents(copy)
    for changed in (".lock", ".lock.json"):
        before.pop(changed, None)
        after.pop(changed, None)
    assert {**after, ".": ""} == {**before, ".": ""}


def test_the_examples_of_the_documentation_run_as_written(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(done)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(segpipe, "Run", Run, raising=False)
    page = (Path(__file__).parents[2] / "docs" / "howto" / "python.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "docs/howto/python.md", "exec"), names)
    said = capsys.readouterr().out
    assert len(examples) == 7
    assert said.startswith("Run('runs/demo': finished)\n")
    assert "bay/reff_02 is not an image of runs/demo; did you mean bay/reef_02?" in said
    assert (tmp_path / "shown.png").stat().st_size > 10_000


def test_a_run_is_a_mapping_of_its_stages(done: Path) -> None:
    run = Run(done)
    assert list(run) == list(run.stages)
    assert run["cluster"] == run.stages["cluster"]
    assert len(run) == len(run.items()) == len(run.stages)
    assert "nonsense" not in run
