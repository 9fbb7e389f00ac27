import errno
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import MachineError, UsageError
from segpipe.records.bundle import Bundle
from segpipe.records.codec import Codec
from segpipe.records.features import FeatureHeader, Positions
from segpipe.records.legend import Legend
from segpipe.store.bundle import load_codec, open_bundle, save_bundle, save_codec

HEADER = FeatureHeader("vit", "token", (-2, -1), 48, 16, 5, "mean", False, weights="/home/somebody/w.safetensors")
LEGEND = Legend(("sand", "ö"), np.array([[1, 2, 3], [4, 5, 6]], np.uint8), np.array([1, -1, 0]))
BUNDLE = Bundle(HEADER, {"window": 16}, {"uint16": (0.0, 9.5)}, {"side": 48}, LEGEND, "MIT", "0.1.0")


def saved(path: Path, parts: Path) -> Path:
    (parts / "head.safetensors").write_bytes(b"head" * 9)
    (parts / "clusters.npz").write_bytes(b"clusters")
    save_bundle(BUNDLE, path, {name: parts / name for name in ("head.safetensors", "clusters.npz")})
    return path


def test_a_bundle_is_a_plain_zip_that_tells_no_path(tmp_path: Path) -> None:
    path, folder = saved(tmp_path / "new" / "m.zip", tmp_path), tmp_path / "out"
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["bundle.json", "LICENCES.txt", "head.safetensors", "clusters.npz"]
        assert json.loads(archive.read("bundle.json"))["names"] == ["sand", "ö"]
        assert b"MIT" in archive.read("LICENCES.txt")
    assert b"somebody" not in path.read_bytes()
    found = open_bundle(path, folder)
    assert (found.header.blocks, found.header.weights) == ((-2, -1), "")
    assert (found.index, found.scaling, found.refine) == ({"window": 16}, {"uint16": (0.0, 9.5)}, {"side": 48})
    assert found.legend.fingerprint == LEGEND.fingerprint
    assert (folder / "head.safetensors").read_bytes() == b"head" * 9
    assert saved(tmp_path / "again.zip", tmp_path).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("rule", ["dino", "timm"])
def test_a_bundle_carries_the_rule_of_positions(tmp_path: Path, rule: Positions) -> None:
    """One of an earlier version does not say it, as those of timm's rule do not."""
    made = replace(BUNDLE, header=replace(HEADER, positions=rule))
    parts = {name: tmp_path / name for name in ("head.safetensors", "clusters.npz")}
    for part in parts.values():
        part.write_bytes(b"x")
    save_bundle(made, tmp_path / "m.zip", parts)
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        assert ("positions" in json.loads(archive.read("bundle.json"))["features"]) == (rule == "dino")
    assert open_bundle(tmp_path / "m.zip", tmp_path).header.positions == rule


def test_other_files_of_a_zip_are_not_written_and_damage_is_told(tmp_path: Path) -> None:
    path, folder = saved(tmp_path / "m.zip", tmp_path), tmp_path / "out"
    folder.mkdir()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil.txt", "x")
    with pytest.raises(UsageError, match=r"'\.\./evil\.txt' does not belong in it"):
        open_bundle(path, folder)
    assert not list(tmp_path.rglob("evil.txt"))
    raw = saved(tmp_path / "m.zip", tmp_path).read_bytes()
    for wrong in (b"", raw[: len(raw) // 2], raw.replace(b"headhead", b"hEadhead", 1)):
        (tmp_path / "wrong.zip").write_bytes(wrong)
        with pytest.raises(UsageError, match="missing, damaged or no bundle"):
            open_bundle(tmp_path / "wrong.zip", folder)
    (tmp_path / "wrong.zip").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        for name in ("bundle.json", "head.safetensors", "clusters.npz"):
            archive.writestr(name, json.dumps({"format": 9}))
    with pytest.raises(UsageError, match="has format 9, this version reads 1"):
        open_bundle(tmp_path / "other.zip", folder)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a system without devices")
def test_a_device_is_no_bundle_and_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "m.zip").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"m\.zip is missing, damaged or no bundle \(not a file\)"):
        open_bundle(tmp_path / "m.zip", tmp_path)


def test_entries_that_are_missing_twice_there_compressed_or_too_large_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    whole = {"bundle.json": b"{}", "head.safetensors": b"h", "clusters.npz": b"c"}

    def refused(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> str:
        with zipfile.ZipFile(tmp_path / "m.zip", "w", method) as archive:
            for name, content in entries:
                archive.writestr(name, content)
        with pytest.raises(UsageError, match=r"m\.zip is missing, damaged or no bundle") as caught:
            open_bundle(tmp_path / "m.zip", folder)
        assert not list(folder.iterdir())
        return str(caught.value)

    for left_out in whole:
        entries = [(name, content) for name, content in whole.items() if name != left_out]
        assert f"{left_out} is missing" in refused(entries)
    with pytest.warns(UserWarning, match="Duplicate name"):
        assert "'head.safetensors' twice" in refused([*whole.items(), ("head.safetensors", b"x")])
    assert "compressed" in refused(list(whole.items()), zipfile.ZIP_DEFLATED)
    large = whole | {"bundle.json": b" " * (1 << 24) + b"{}"}
    assert "at most 16777216 are read" in refused(list(large.items()))
    deep = whole | {"bundle.json": b"[" * 200_000}
    assert "recursion" in refused(list(deep.items()))


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\u202eb", "\ud83d", "a\0", 7, None, ["sand"]])
def test_names_of_classes_that_no_classes_yaml_takes_are_refused(tmp_path: Path, name: object) -> None:
    path, folder = saved(tmp_path / "m.zip", tmp_path), tmp_path / "out"
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        whole = {info.filename: archive.read(info) for info in archive.infolist()}
    facts = json.loads(whole["bundle.json"]) | {"names": ["sand", name]}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in (whole | {"bundle.json": json.dumps(facts).encode()}).items():
            archive.writestr(entry, content)
    with pytest.raises(UsageError, match=r"m\.zip is missing, damaged or no bundle \(.* is no name of a class\)"):
        open_bundle(path, folder)


def test_codecs_come_back(tmp_path: Path) -> None:
    assert load_codec(tmp_path / "codec.npz") is None
    square, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    for codec in (Codec(5), Codec(5, np.ones(5, np.float32), square[:2].astype(np.float32))):
        save_codec(codec, tmp_path / "codec.npz")
        found = load_codec(tmp_path / "codec.npz")
        assert found is not None
        assert found.dim == 5
        np.testing.assert_array_equal(found.mean, codec.mean)
        np.testing.assert_array_equal(found.directions, codec.directions)
    (tmp_path / "codec.npz").write_bytes(b"PK no zip")
    with pytest.raises(UsageError, match=r"codec\.npz of the bundle is damaged"):
        load_codec(tmp_path / "codec.npz")


@pytest.mark.parametrize(("number", "place"), [(errno.ENOSPC, "folder"), (errno.EMFILE, "a.segpipe")])
def test_what_the_machine_lacks_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, place: str
) -> None:
    def lack(*arguments: object, **more: object) -> None:
        raise OSError(number, "words of the system")

    monkeypatch.setattr(zipfile, "ZipFile", lack)
    with pytest.raises(MachineError, match=rf"{re.escape(str(tmp_path / place))}: "):
        open_bundle(tmp_path / "a.segpipe", tmp_path / "folder")
