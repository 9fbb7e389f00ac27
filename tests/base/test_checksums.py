"""Checksums of artefacts: GNU's own program agrees with the lists, and no changed byte is read unnoticed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base import checksums, files
from segpipe.base.errors import MachineError
from segpipe.base.known_sums import KnownSums

NAMES = ("a.json", "deep/er/b.bin", "with space.png", "back\\slash", "new\nline", "re\rturn", "\\n", "jardín", "\udcff")


def artefact(folder: Path, **held: str) -> Path:
    """The folder of an artefact in a run."""
    (folder / files.OUTPUT_MARKER).parent.mkdir(parents=True, exist_ok=True)
    (folder / files.OUTPUT_MARKER).touch()
    for path, text in held.items():
        target = folder / "masks" / path.replace("__", "/").replace("_dot_", ".")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return folder / "masks"


def test_sha256sum_finds_every_file_as_it_is_and_as_it_no_longer_is(tmp_path: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not on this machine")
    folder = tmp_path / "all"
    for i, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([i]) * 1000)
    checksums.write_sums(folder)
    assert set(checksums.read_sums(folder)) == set(NAMES)
    check = ["sha256sum", "--check", "--strict", "--quiet", checksums.NAME]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    for name in NAMES:
        (folder / name).write_bytes(b"other")
    said = subprocess.run(check, cwd=folder, capture_output=True, check=False)
    assert said.stdout.count(b"FAILED") == len(NAMES)


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), unique=True))
def test_lists_of_any_names_are_read_as_they_were_written(names: list[str]) -> None:
    lines = "".join(checksums._line(f"{i:064x}", name) for i, name in enumerate(names))
    assert checksums._parse(lines) == {name: f"{i:064x}" for i, name in enumerate(names)}


def test_what_is_opened_must_be_as_it_was_made(tmp_path: Path) -> None:
    folder = artefact(tmp_path / "run", index_dot_jsonl="{}", a_dot_png="pixels")
    checksums.write_sums(folder)
    expected = checksums.checksum(folder)
    checksums.check_opened(folder, expected)
    checksums.check_file(folder / "a.png")
    (folder / "a.png").write_text("pixelS", "utf-8")
    checksums.check_opened(folder, expected)  # pictures are looked at one by one
    with pytest.raises(MachineError, match=r"a.png: its bytes changed on disk; `segpipe check .*run` says what"):
        checksums.check_file(folder / "a.png")
    assert [damage.path.name for damage in checksums.differences(folder, expected)] == ["a.png"]
    (folder / "index.jsonl").write_text("[]", "utf-8")
    with pytest.raises(MachineError, match=r"index.jsonl: its bytes changed on disk"):
        checksums.check_opened(folder, expected)
    (folder / "index.jsonl").unlink()
    with pytest.raises(MachineError, match=r"index.jsonl: it is gone"):
        checksums.check_opened(folder, expected)


def test_the_list_itself_is_held_against_the_manifest(tmp_path: Path) -> None:
    folder = artefact(tmp_path / "run", a_dot_json="1")
    checksums.write_sums(folder)
    expected = checksums.checksum(folder)
    (folder / "a.json").write_text("2", "utf-8")
    checksums.write_sums(folder)
    with pytest.raises(MachineError, match=r"SHA256SUMS: its bytes changed"):
        checksums.check_opened(folder, expected)
    (folder / checksums.NAME).unlink()
    with pytest.raises(MachineError, match=r"SHA256SUMS: it is gone"):
        checksums.check_opened(folder, expected)
    checksums.check_opened(folder, "")  # an earlier version wrote none


@pytest.mark.parametrize("text", ["no list\n", f"{'0' * 64} one space\n", f"{'0' * 63}  short\n", f"{'0' * 64}  \n"])
def test_a_list_that_is_none(tmp_path: Path, text: str) -> None:
    folder = artefact(tmp_path / "run", a_dot_json="1")
    (folder / checksums.NAME).write_text(text, "utf-8")
    with pytest.raises(MachineError, match=r"SHA256SUMS: its bytes changed"):
        checksums.check_opened(folder, "")


def test_pictures_outside_of_runs_and_those_that_no_list_names_pass(tmp_path: Path) -> None:
    folder = artefact(tmp_path / "run", a_dot_png="1")
    checksums.write_sums(folder)
    (folder / "new.png").touch()
    checksums.check_file(folder / "new.png")
    (tmp_path / checksums.NAME).write_text("somebody's own list", "utf-8")
    (tmp_path / "photo.png").touch()
    checksums.check_file(tmp_path / "photo.png")


def test_files_with_checksums_of_their_own_are_left_out(tmp_path: Path) -> None:
    folder = artefact(tmp_path / "run", store__c__0="rows", store__zarr_dot_json="{}")
    checksums.write_sums(folder, without=("store/c/*",))
    assert list(checksums.read_sums(folder)) == ["store/zarr.json"]
    (folder / "store" / "c" / "0").unlink()
    assert not list(checksums.differences(folder, checksums.checksum(folder)))


def test_a_list_is_in_the_order_of_paths_and_files_that_are_known_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    for name in ("b/x", "b.png", "b-c/x", "a/b/c", "a/b.png", "a-b", ".hidden/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to(folder / "b")
    (folder / "file").symlink_to(folder / "a-b")
    checksums.write_sums(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != checksums.NAME)
    assert list(checksums.read_sums(folder)) == [path.relative_to(folder).as_posix() for path in paths]
    before = (folder / checksums.NAME).read_bytes()
    known = KnownSums((name, sha256) for name, sha256 in checksums.read_sums(folder).items() if name != "b/x")
    (folder / "a" / "b.png").write_text("changed, and nobody looks")
    (folder / checksums.NAME).unlink()
    checksums.write_sums(folder, known=known)
    assert (folder / checksums.NAME).read_bytes() == before


def test_content_is_names_and_bytes_and_nothing_else(tmp_path: Path) -> None:
    def made(name: str, **held: str) -> str:
        folder = artefact(tmp_path / name, **held)
        checksums.write_sums(folder)
        return checksums.content(folder, without=("tb/*",))

    whole = made("a", x="1", deep__y="2")
    assert made("b", deep__y="2", x="1", tb__events="dated") == whole
    assert len({whole, made("c", x="2", deep__y="2"), made("d", x="1", deep__z="2"), made("e", x="1")}) == 4
    assert checksums.content(tmp_path / "none") == made("f", tb__events="dated") == ""


def test_a_file_is_taken_over_if_it_is_as_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    known = files.sha256(tmp_path / "a")
    assert checksums.take_over_file(tmp_path / "a", tmp_path / "new" / "b", known)
    assert (tmp_path / "new" / "b").read_bytes() == b"1"
    assert not checksums.take_over_file(tmp_path / "gone", tmp_path / "c", known)
    (tmp_path / "d").write_bytes(b"2")
    assert not checksums.take_over_file(tmp_path / "d", tmp_path / "c", known)
    assert not (tmp_path / "c").exists()
