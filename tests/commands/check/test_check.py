"""`segpipe check`: what is damaged is listed with the command that makes it again, and that command does."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import segpipe
from segpipe.cli.entry import run_cli
from segpipe.pipeline import open_run
from segpipe.records.fault import Fault
from tests.helpers.quick_run import reef_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reef_run(tmp_path_factory.mktemp("reef"), images=3).root


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "a run"))


def flip(path: Path, at: int = -9) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def mask_of(run: Path) -> Path:
    return sorted((run / "masks").rglob("*.png"))[0]


def test_a_sound_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["check", str(run), "--deep"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    held = ("corpus/", "features/", "pairs/", "head/", "clusters/", "masks/")
    assert all("as it was made" in rows[name] for name in held)
    assert segpipe.check(run) == []


DAMAGES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "head": (lambda run: run / "head" / "head.safetensors", "train"),
    "whitening": (lambda run: run / "features" / "whitening.safetensors", "extract"),
    "grids": (lambda run: run / "features" / "store.zarr" / "grids" / "c" / "0" / "0", "extract"),
    "zarr.json": (lambda run: run / "features" / "store.zarr" / "zarr.json", "extract"),
    "corpus": (lambda run: run / "corpus" / "corpus.jsonl", "index"),
    "pairs": (lambda run: run / "pairs" / "pairs.npz", "mine"),
    "clusters": (lambda run: run / "clusters" / "clusters.npz", "cluster"),
    "tree": (lambda run: run / "clusters" / "tree.npz", "cluster"),
    "mask": (mask_of, "refine"),
    "index of masks": (lambda run: run / "masks" / "index.jsonl", "refine"),
    "list": (lambda run: run / "masks" / "SHA256SUMS", "refine"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_flipped_bit_is_named_with_its_stage_and_the_command_that_is_given_makes_it_whole(
    run: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    find, stage = DAMAGES[name]
    path = find(run)
    whole = path.read_bytes()
    flip(path)
    assert segpipe.check(run) == [Fault(path, "its bytes changed on disk", stage)]
    assert run_cli(["check", str(run)]) == 5
    said = capsys.readouterr().out
    assert f"{path}: its bytes changed on disk" in said.replace("\n", " ").replace("  ", " ")
    (command,) = (line.split("`")[1] for line in said.splitlines() if line.startswith("next:"))
    assert run_cli([*shlex.split(command)[1:], "-q"]) == 0
    assert segpipe.check(run) == []
    assert path.read_bytes() == whole


def test_what_is_gone_or_cut_short_is_named(run: Path) -> None:
    gone, short = run / "pairs" / "pairs.npz", run / "features" / "whitening.safetensors"
    gone.unlink()
    short.write_bytes(short.read_bytes()[:-1])
    shutil.rmtree(run / "head")
    found = {fault.path: (fault.why, fault.stage) for fault in segpipe.check(run)}
    changed = ("its bytes changed on disk", "extract")
    assert found == {gone: ("it is gone", "mine"), short: changed, run / "head": ("it is gone", "train")}


def test_deep_reads_every_patch(run: Path) -> None:
    shard = run / "features" / "store.zarr" / "patches" / "c" / "0" / "0" / "0" / "0"
    flip(shard, at=100)
    assert segpipe.check(run) == []
    (fault,) = segpipe.check(run, deep=True)
    assert (fault.path, fault.stage) == (run / "features", "extract")
    assert "checksum differs" in fault.why


def test_deep_compares_the_images(tmp_path: Path) -> None:
    run = reef_run(tmp_path, images=3).root
    first, second, _ = sorted((tmp_path / "images").rglob("*.*"))
    flip(first)
    second.unlink()
    assert segpipe.check(run) == []
    found = {fault.path: (fault.why, fault.stage) for fault in segpipe.check(run, deep=True)}
    assert found == {
        first: ("it has changed since it was indexed", "index"),
        second: ("it cannot be read (No such file or directory)", "index"),
    }


def test_files_that_a_person_writes_are_read_too(run: Path) -> None:
    (run / "classes.yaml").write_text("clusters: [", "utf-8")
    (run / "splits.npz").write_bytes(b"PK")
    (run / "config.yaml").write_text("cluster: {k: many}", "utf-8")
    found = {fault.path.name: fault.stage for fault in segpipe.check(run)}
    assert found == {"classes.yaml": "", "splits.npz": "", "config.yaml": ""}


def test_a_manifest_whose_bytes_changed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["stages"]["refine"]["summary"]["images"] = 99
    path.write_text(json.dumps(manifest), "utf-8")
    assert [(fault.path, fault.stage) for fault in segpipe.check(run)] == [(path, "")]
    assert run_cli(["show", str(run)]) == 2
    assert "its bytes changed" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_has_no_checksums(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    del manifest["sha256"]
    for record in manifest["stages"].values():
        del record["checksum"]
    path.write_text(json.dumps(manifest), "utf-8")
    for listed in run.rglob("SHA256SUMS"):
        listed.unlink()
    assert run_cli(["check", str(run)]) == 0
    assert capsys.readouterr().out.count("made by an earlier version, without checksums") == 6


def test_a_run_in_use_is_left_alone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_run(run).lock():
        assert run_cli(["check", str(run)]) == 6
    assert "is in use" in capsys.readouterr().err
