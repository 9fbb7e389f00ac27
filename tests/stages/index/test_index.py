import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow

from segpipe.base import guarded
from segpipe.base.cost import Work
from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.images.crop_plan import CropPlan
from segpipe.images.readers import read_image
from segpipe.stages import ARTEFACTS, index
from segpipe.stages.index.summary import fingerprint
from segpipe.store.corpus import load_corpus, load_rejected
from segpipe.store.run_dir import RunDir
from tests.helpers.places import PACKS


def run_dir(path: Path) -> RunDir:
    return RunDir(path, ARTEFACTS)


def indexed(images: Path, run: Path, **settings):
    runs = run_dir(run)
    summary = index.run(index.Config(images=str(images), **settings), runs, Runtime(workers=2))
    return summary, load_corpus(runs.path("corpus")), load_rejected(runs.path("corpus"))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Good and bad files of many kinds."""
    root = tmp_path / "photos"
    (root / "sub dir é").mkdir(parents=True)
    Pillow.fromarray(noise(30, 40)).save(root / "a.png")
    Pillow.fromarray(noise(50, 20, 1)).save(root / "a.bmp")
    Pillow.fromarray(noise(30, 40)).save(root / "sub dir é" / "b.png")
    exif = Pillow.Exif()
    exif[274] = 6
    Pillow.fromarray(noise(24, 32, 2)).save(root / os.fsdecode(b"bad \xff\n.jpg"), exif=exif)
    (root / "empty.jpg").touch()
    (root / "junk.tif").write_bytes(b"junk")
    (root / "cut.png").write_bytes((root / "a.png").read_bytes()[:900])
    Pillow.fromarray(noise(60, 60, 3)).save(root / "large.png")
    return root


def test_mixed_folder(folder, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        summary, corpus, rejected = indexed(folder, tmp_path / "run", max_pixels=3000)
    assert [image.id for image in corpus.images] == ["a.bmp", "a.png", os.fsdecode(b"bad \xff\n"), "sub dir é/b"]
    assert corpus.images[2].size == Size(32, 24)  # turned
    assert corpus.root == folder
    assert {item.path: item.reason.split()[0] for item in rejected} == {
        "empty.jpg": "empty",
        "junk.tif": "not",
        "cut.png": "truncated:",
        "large.png": "60",
    }
    assert "cut.png" in caplog.text
    assert summary.images == summary.crops == 4
    assert (summary.rejected, summary.duplicates) == (4, 1)
    assert (summary.smallest, summary.largest) == ((32, 24), (30, 40))
    assert summary.depths == {"uint8": 4}
    assert summary.megapixels == pytest.approx((30 * 40 * 2 + 50 * 20 + 24 * 32) / 1e6)
    for image in corpus.images:
        rgb = read_image(corpus.path(image), depth=image.depth, scaling=corpus.scaling).rgb
        assert rgb.shape[:2] == (image.size.height, image.size.width)


def test_fingerprint_follows_what_is_seen_and_nothing_else(folder, tmp_path):
    first, _, _ = indexed(folder, tmp_path / "run")
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    (folder / "empty.jpg").unlink()
    moved = folder.rename(tmp_path / "elsewhere")
    again, corpus, _ = indexed(moved, tmp_path / "run 2", window=99)
    assert corpus.root == moved
    assert again.fingerprint == first.fingerprint
    assert indexed(moved, tmp_path / "run", crops="five")[0].fingerprint != first.fingerprint
    (moved / "large.png").rename(moved / "larger.png")
    renamed, _, _ = indexed(moved, tmp_path / "run")
    assert renamed.fingerprint != first.fingerprint
    Pillow.fromarray(noise(60, 60, 4)).save(moved / "larger.png")
    assert indexed(moved, tmp_path / "run")[0].fingerprint != renamed.fingerprint
    scaled = replace(corpus, scaling={"uint16": (0.0, 1.0)})
    assert fingerprint(scaled) != fingerprint(corpus)


def test_the_number_of_workers_changes_nothing(folder, tmp_path):
    for workers in (1, 3):
        config = index.Config(images=str(folder))
        index.run(config, run_dir(tmp_path / f"run{workers}"), Runtime(workers=workers))
    for name in ("corpus.jsonl", "header.json", "rejected.jsonl"):
        one, three = ((tmp_path / f"run{workers}" / "corpus" / name).read_bytes() for workers in (1, 3))
        assert one == three


def test_crops_are_planned_per_image(folder, tmp_path):
    summary, corpus, _ = indexed(folder, tmp_path / "run", crops="windows", window=16, overlap=0.5)
    assert summary.crops == len(corpus.crops) > 20
    for i, image in enumerate(corpus.images):
        own = [corpus.crops[row].box for row in corpus.crops_of[i]]
        assert own == CropPlan("windows", 16, 0.5, (), 10**6).photograph(image.size)


def test_deep_images_share_one_scaling_that_ignores_hot_pixels(tmp_path):
    (tmp_path / "deep").mkdir()
    values = np.concatenate([np.linspace(100, 1100, 5000), np.linspace(1100, 2100, 5000)]).astype(np.uint16)
    for i in range(2):
        part = values[5000 * i : 5000 * (i + 1)].reshape(50, 100).copy()
        part[0, 0] = 65535
        Pillow.fromarray(part).save(tmp_path / "deep" / f"{i}.tif")
    _, corpus, _ = indexed(tmp_path / "deep", tmp_path / "run")
    low, high = corpus.scaling["uint16"]
    assert low == pytest.approx(np.percentile(values, 0.5), abs=15)
    assert high == pytest.approx(np.percentile(values, 99.5), abs=15)
    dark, bright = (
        read_image(corpus.path(image), depth="uint16", scaling=corpus.scaling).rgb.mean() for image in corpus.images
    )
    assert bright > dark + 100
    assert indexed(tmp_path / "deep", tmp_path / "again")[1].scaling == corpus.scaling


def test_constant_deep_images_are_black_not_a_division_by_zero(tmp_path):
    (tmp_path / "deep").mkdir()
    Pillow.fromarray(np.full((9, 9), 500, np.uint16)).save(tmp_path / "deep" / "a.png")
    _, corpus, _ = indexed(tmp_path / "deep", tmp_path / "run")
    assert corpus.scaling == {"uint16": (500.0, 501.0)}
    assert not read_image(corpus.path(corpus.images[0]), depth="uint16", scaling=corpus.scaling).rgb.any()


def test_repairing_one_file_renames_no_other(tmp_path):
    (tmp_path / "in").mkdir()
    Pillow.fromarray(noise(9, 9)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.jpg").touch()
    assert [image.id for image in indexed(tmp_path / "in", tmp_path / "run")[1].images] == ["a.png"]


def test_nothing_usable(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(5):
        (tmp_path / "in" / f"{i}.jpg").touch()
    with pytest.raises(
        CorpusError, match=r"none of 5 files .*0\.jpg: empty file \(0 bytes\); 1\.jpg: .*; 2\.jpg"
    ) as caught:
        indexed(tmp_path / "in", tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "corpus").exists()
    with pytest.raises(UsageError, match=r"index\.images is not set"):
        index.input_files(index.Config())


def test_outside_lists_what_run_would_index(folder, tmp_path):
    found = index.input_files(index.Config(images=f"{folder}/**/*.png"))
    assert sorted(path.name for path in found) == ["a.png", "b.png", "cut.png", "large.png"]
    inside = folder / "runs" / "one"
    indexed(folder, inside)
    (inside / "masks").mkdir()
    (inside / "config.yaml").touch()
    Pillow.new("P", (9, 9)).save(inside / "masks" / "a.png")
    config = index.Config(images=str(folder))
    assert not [path for path in index.input_files(config) if inside in path.parents]
    assert indexed(folder, inside)[0].images == len(indexed(folder, tmp_path / "two")[1].images)


def test_the_setting_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert index.Config(images="photos/**/*.jpg").images == str(tmp_path / "photos/**/*.jpg")
    assert index.Config().images == ""


def test_progress_counts_every_file(folder, tmp_path):
    seen: list[tuple[int, str]] = []

    def track(items, *, total, unit, done=0):
        seen.append((total, unit))
        return iter(items)

    index.run(index.Config(images=str(folder)), run_dir(tmp_path / "run"), Runtime(workers=1, track=track))
    assert seen == [(8, "images")]


def test_cost_grows_with_the_pixels():
    small, large = (index.cost(index.Config(), Work(n, n, n, 2, 50.0)) for n in (100, 10_000))
    assert large.seconds > small.seconds
    assert large.bytes > small.bytes


def test_the_drawn_reef(tmp_path):
    write_reef_corpus(tmp_path / "reef", images=4, seed=0)
    summary, corpus, rejected = indexed(tmp_path / "reef" / "images", tmp_path / "run")
    assert (summary.images, rejected) == (4, [])
    for image in corpus.images:
        with Pillow.open(tmp_path / "reef" / "labels" / f"{image.id}.png") as label:
            assert label.size == (image.size.width, image.size.height)


@pytest.mark.packs
def test_real_photographs(tmp_path):
    photos = PACKS / "msrc21" / "images"
    if not photos.is_dir():
        pytest.skip(f"{photos} is not here")
    summary, _, rejected = indexed(photos, tmp_path / "run")
    assert (summary.images, rejected) == (591, [])


def test_of_a_published_set_the_split_alone_is_taken(tmp_path: Path) -> None:
    for place in ("train/ulm/ulm_1", "train/ulm/ulm_2", "val/bonn/bonn_3"):
        for top, ending in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            path = tmp_path / "set" / top / f"{place}_{ending}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(noise(20, 30, len(place))).save(path)
    _, corpus, _ = indexed(tmp_path / "set", tmp_path / "run", layout="cityscapes27", split="train")
    assert [image.path for image in corpus.images] == [f"leftImg8bit/train/ulm/ulm_{i}_leftImg8bit.png" for i in (1, 2)]


def test_a_file_that_ends_its_decoder_is_skipped_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes are begun with a decoder that behaves as the file's name says."""
    root, site = tmp_path / "photos", tmp_path / "site"
    root.mkdir()
    site.mkdir()
    for name in ("a", "crash", "hang", "starve", "z"):
        Pillow.fromarray(noise(20, 30)).save(root / f"{name}.png")
    (site / "misbehaving_decoder.py").write_text(
        "import ctypes\n"
        "from segpipe.base import guarded\n"
        "from segpipe.images import validate\n"
        "from segpipe.images.decoding import decoding\n"
        "decode = validate.probe_image\n"
        "def probe(path, **limits):\n"
        "    if path.stem == 'crash': ctypes.string_at(0)\n"
        "    if path.stem == 'starve':\n"
        "        with decoding(path): bytearray(10 << 30)\n"
        "    if path.stem == 'hang':\n"
        "        guarded.allow(1)\n"
        "        while True: pass\n"
        "    return decode(path, **limits)\n"
        "validate.probe_image = probe\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(
        guarded, "_START", f"{guarded._START.replace('serve()', '')}import misbehaving_decoder; serve()"
    )
    _, corpus, rejected = indexed(root, tmp_path / "run")
    assert [image.id for image in corpus.images] == ["a", "z"]
    reasons = {item.path: item.reason for item in rejected}
    assert reasons.keys() == {"crash.png", "hang.png", "starve.png"}
    assert "crashed (SIGSEGV)" in reasons["crash.png"]
    assert "too much time" in reasons["hang.png"]
    assert "GiB of memory" in reasons["starve.png"]


def test_what_the_machine_lacks_is_not_the_file_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    Pillow.fromarray(noise(20, 30)).save(root / "a.png")
    tall = np.full((1, 600, 600), 7, np.uint8)
    with rasterio.open(
        root / "m.tif", "w", driver="GTiff", height=600, width=600, count=1, dtype="uint8", crs="EPSG:3857",
        transform=rasterio.Affine(2, 0, 9, 0, -2, 9),
    ) as out:  # fmt: skip
        out.write(tall)
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); import signal; "
    full += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    start = guarded._START
    monkeypatch.setattr(guarded, "_START", full + start)
    with pytest.raises(MachineError, match=r"m\.tif"):
        indexed(root, tmp_path / "run")
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)); "
    few += "fill = [open('/dev/null') for _ in range(2)]; "
    serving = start.replace("; serve()", "; import segpipe.stages.index; ")
    monkeypatch.setattr(guarded, "_START", f"{serving}{few}serve()")
    with pytest.raises(MachineError, match="too many files are open"):
        indexed(root, tmp_path / "run")
    monkeypatch.setattr(guarded, "_START", start)
    _, corpus, rejected = indexed(root, tmp_path / "run")
    assert (len(corpus.images), rejected) == (2, [])
