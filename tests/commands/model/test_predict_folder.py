"""A bundle gives, for the same image, the bytes that its run gave."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.model import predict as applying
from segpipe.commands.model.mask_writing import ApplyTask
from segpipe.commands.model.predict_folder import Applied, apply_to_folder
from segpipe.stages import export
from segpipe.store import masks
from tests.helpers.quick_run import CLASSICAL, SMALL

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.mark.parametrize("name", ["whole", "packed"])
def test_masks_of_a_bundle_are_those_of_its_run_byte_by_byte(
    request: pytest.FixtureRequest, reef: Path, tmp_path: Path, name: str
) -> None:
    run, model = request.getfixturevalue(name)
    out = tmp_path / "out"
    assert run_cli(["apply", str(model), str(reef), str(out), "-q", "--set", "export.formats=overlay,classes"]) == 0
    expected = pictures(run / "masks")
    assert len(expected) == 6
    assert pictures(out / "masks") == expected
    assert (out / "masks" / "index.jsonl").read_text() == (run / "masks" / "index.jsonl").read_text()
    assert masks.load_header(out / "masks") == masks.load_header(run / "masks")
    assert len(list((out / "overlay").rglob("*.jpg"))) == 6
    assert {path.name for path in out.iterdir()} == {
        *("masks", "overlay", "legend.png", "classes.csv", "model.json", "rejected.jsonl", ".segpipe", ".lock"),
    }


def test_what_was_written_is_counted_and_a_folder_belongs_to_one_bundle(
    whole: tuple[Path, Path], reef: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "out", export.Config(formats=("color", "classes"))
    with applying.open_model(whole[1], Runtime()) as model:
        listing = applying.list_new(str(reef / "bay"), model)
        assert len(listing.paths) == 1
        task = ApplyTask(model, config, Runtime())
        assert apply_to_folder(task, "bay", listing, out) == Applied(1, {"color": 1, "classes": 1}, (), "")
        assert len(list((out / "color").rglob("*.png"))) == 1
        other = replace(model, fingerprint="0" * 64)
        with pytest.raises(UsageError, match=rf"{out} holds masks of another bundle; choose another folder, or delete"):
            apply_to_folder(replace(task, model=other), "bay", listing, out)


def test_an_interrupted_call_goes_on_and_a_changed_file_is_done_again(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model = whole
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 80, 3), np.uint8)).save(images / f"{i}.png")
    refine, seen = applying.refine_tile, list[str]()

    def failing(inputs: applying.SegmentInputs, index: int, tile: Box) -> masks.Mask:
        image_id = inputs.corpus.images[index].id
        if image_id == "2" and "2" not in seen:
            seen.append("2")
            raise RuntimeError("the power went off")
        seen.append(image_id)
        return refine(inputs, index, tile)

    monkeypatch.setattr(applying, "refine_tile", failing)
    command = ["apply", str(model), str(images), str(out), "-q", "--set", "runtime.workers=1"]
    with pytest.raises(RuntimeError, match="power"):
        segpipe_main(command)
    assert not (out / "masks").exists()
    Image.fromarray(np.zeros((64, 80, 3), np.uint8)).save(images / "1.png")
    seen[:] = ["2"]
    assert run_cli(command) == 0
    assert seen == ["2", "1", "2"]
    assert [line["id"] for line in masks.load_index(out / "masks")] == ["0", "1", "2"]


def segpipe_main(arguments: list[str]) -> None:
    from segpipe.cli.app import cli

    cli.main(args=arguments, standalone_mode=False)


def test_what_cannot_be_used_is_skipped_with_its_reason(reef: Path, tmp_path: Path) -> None:
    run, model = tmp_path / "run", tmp_path / "reef.segpipe"
    shallow = tmp_path / "shallow"
    shallow.mkdir()
    for path in reef.glob("reef*.jpg"):
        (shallow / path.name).write_bytes(path.read_bytes())
    segpipe.run(shallow, run, settings={**SMALL, **CLASSICAL}, stop="refine")
    segpipe.bundle(run, model)
    (shallow / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    (shallow / "deep.png").write_bytes((reef / "deep.png").read_bytes())
    assert run_cli(["apply", str(model), str(shallow), str(tmp_path / "out"), "-q"]) == 4
    lines = map(json.loads, (tmp_path / "out" / "rejected.jsonl").read_text().splitlines())
    reasons = {line["path"]: line["reason"] for line in lines}
    assert set(reasons) == {"broken.jpg", "deep.png"}
    assert "uint16" in reasons["deep.png"]
    with pytest.raises(CorpusError, match=r"none of 1 files .* can be used"):
        segpipe_main(["apply", str(model), str(shallow / "broken.jpg"), str(tmp_path / "none"), "-q"])


ALL = "png,gpkg,yolo,coco,fiftyone,classes"


def test_a_second_call_leaves_what_it_made_and_nothing_else_of_ours(whole: tuple[Path, Path], tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 80, 3), np.uint8)).save(images / f"{i}.png")
    command = ["apply", str(whole[1]), str(images), "-q", "--format"]
    assert run_cli([*command, ALL, str(out)]) == 0
    (out / "thesis.txt").write_text("mine", "utf-8")
    assert run_cli([*command, ALL, str(out)]) == 0  # again, the same
    (images / "1.png").unlink()
    assert run_cli([*command, "gpkg,yolo,fiftyone", str(out)]) == 0
    assert run_cli([*command, "gpkg,yolo,fiftyone", str(tmp_path / "fresh")]) == 0
    found = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    fresh = {path.relative_to(tmp_path / "fresh").as_posix() for path in (tmp_path / "fresh").rglob("*")}
    assert found == fresh | {"thesis.txt"}
    assert "masks/1.png" not in found


def test_what_was_finished_of_a_file_that_is_gone_since_is_not_kept(
    whole: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 80, 3), np.uint8)).save(images / f"{i}.png")
    command = ["apply", str(whole[1]), str(images), str(out), "-q", "--format", "classes"]

    def failing(*_: object) -> None:
        raise RuntimeError("the power went off")

    with monkeypatch.context() as patch:
        patch.setattr(export, "write_formats", failing)
        with pytest.raises(RuntimeError, match="power"):
            segpipe_main(command)
    assert not (out / "masks").exists()
    (images / "1.png").unlink()
    assert run_cli(command) == 0
    assert {path.name for path in (out / "masks").glob("*.png")} == {"0.png", "2.png"}
    assert not (out / ".begun").exists()


def test_an_output_of_an_earlier_version_is_taken_over(whole: tuple[Path, Path], reef: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["apply", str(whole[1]), str(reef / "bay"), str(out), "-q", "--format", "classes"]
    assert run_cli(command) == 0
    facts = json.loads((out / "model.json").read_text("utf-8"))
    del facts["made"]
    (out / "model.json").write_text(json.dumps(facts), "utf-8")
    (out / ".segpipe").unlink()
    (out / "done.jsonl").write_text("{}\n", "utf-8")
    assert run_cli(command) == 0
    assert not (out / "done.jsonl").exists()


def test_a_second_process_waits_for_nobody(whole: tuple[Path, Path], reef: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock", is_singleton=False):
        assert run_cli(["apply", str(whole[1]), str(reef), str(out), "-q"]) == 6


def test_masks_of_a_bundle_below_the_images_are_no_images(whole: tuple[Path, Path], tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)).save(tmp_path / "0.png")
    for _ in range(2):
        assert run_cli(["apply", str(whole[1]), str(tmp_path), str(tmp_path / "maps"), "-q"]) == 0
        assert [line["id"] for line in masks.load_index(tmp_path / "maps" / "masks")] == ["0"]


def test_mistakes_are_said_with_the_way_out(whole: tuple[Path, Path], reef: Path, tmp_path: Path) -> None:
    _, model = whole
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        segpipe_main(["apply", str(model), str(reef), str(out), "-q"])
    with pytest.raises(UsageError, match="no bundle"):
        segpipe_main(["apply", str(out / "thesis.txt"), str(reef), str(tmp_path / "new"), "-q"])
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.segpipe").write_bytes(damaged)
    with pytest.raises(UsageError, match="damaged"):
        segpipe_main(["apply", str(tmp_path / "damaged.segpipe"), str(reef), str(tmp_path / "new"), "-q"])
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(tmp_path / "newer.segpipe", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"format": 1', b'"format": 99'))
    with pytest.raises(UsageError, match="certainty: masks of a bundle come without their certainty"):
        segpipe_main(["apply", str(model), str(reef), str(tmp_path / "new"), "-f", "certainty", "-q"])
    with pytest.raises(UsageError, match="format 99"):
        segpipe_main(["apply", str(tmp_path / "newer.segpipe"), str(reef), str(tmp_path / "new"), "-q"])
