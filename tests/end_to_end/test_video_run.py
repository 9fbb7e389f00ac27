"""A folder that mixes videos and a photograph, through all stages; a video alone; videos that cannot be used."""

import csv
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

import segpipe
from segpipe import pipeline
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import reef_scene
from segpipe.images.corpus_reader import read_original
from segpipe.images.video import VideoReader
from segpipe.images.video_writing import write_video
from segpipe.plots.overlay import overlay
from segpipe.records.palette import class_colors
from segpipe.stages import ARTEFACTS, export, index, mine
from segpipe.store import masks
from segpipe.store.corpus import load_corpus, load_rejected, save_corpus
from segpipe.store.pairs import load_pairs
from segpipe.store.run_dir import RunDir
from tests.helpers.films import cut_film, write_film
from tests.helpers.relist import relist

SETTINGS = {
    "extract.backbone": "classical",
    "extract.input_size": 96,
    "train.method": "pca",
    "cluster.k": 3,
    "cluster.n_init": 1,
    "refine.canvas_size": 48,
    "refine.crf_iterations": 1,
    "runtime.workers": 1,
}


def write_dive(path: Path, frames: int = 24, *, fps: float = 8.0) -> Path:
    """A camera that swims along a drawn reef, 72 x 96 pixels."""
    reef = reef_scene(np.random.default_rng(1), Size(72, 96 + 4 * frames))[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_video(path, fps=fps) as append:
        for i in range(frames):
            append(np.ascontiguousarray(reef[:, 4 * i : 4 * i + 96]))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("films") / "trip"
    write_dive(root / "day1" / "dive.mp4")
    write_film(root / "dive.avi", (6, 7, 5), height=60, width=80)
    Pillow.fromarray(reef_scene(np.random.default_rng(0), Size(80, 100))[0]).save(root / "photo.jpg")
    Pillow.fromarray(reef_scene(np.random.default_rng(5), Size(80, 100))[0]).save(root / "dive.mp4.png")
    return root


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run") / "run"
    segpipe.run(folder, root, settings={**SETTINGS, "index.frame_step": 6, "refine.steady": 0})
    return root


IDS = [
    *(f"day1/dive.mp4/{i:06}" for i in (0, 6, 12, 18)),
    *(f"dive.avi/{i:06}" for i in (0, 6, 12)),
    *("dive.mp4", "photo"),
]


def open_run(root: Path) -> RunDir:
    return RunDir(root, ARTEFACTS)


def test_frames_are_images_of_the_corpus_as_the_video_has_them(folder: Path, run: Path) -> None:
    corpus = load_corpus(run / "corpus")
    assert [image.id for image in corpus.images] == IDS
    for video, every in (("day1/dive.mp4", 6), ("dive.avi", 6)):
        frames = list(VideoReader(folder / video, step=every))
        images = [image for image in corpus.images if image.moment and image.moment.video == video]
        for frame, image in zip(frames, images, strict=True):
            assert image.moment is not None
            assert (image.moment.index, image.moment.seconds) == (frame.index, pytest.approx(frame.seconds))
            assert corpus.path(image) == run / "corpus" / "frames" / f"{image.id}.png"
            np.testing.assert_array_equal(read_original(corpus, image).rgb, frame.rgb)
    summary = open_run(run).manifest().stages["index"].summary
    assert (summary["images"], summary["videos"], summary["frames"], summary["rejected"]) == (9, 2, 7, 0)
    assert {name for name, _ in segpipe.masks(run)} == set(IDS)
    assert (run / "masks" / "day1" / "dive.mp4" / "000012.png").exists()


def test_the_overlay_video_shows_every_frame_for_its_time(folder: Path, run: Path) -> None:
    out, corpus = run / "export", load_corpus(run / "corpus")
    assert sorted(path.relative_to(out / "video").as_posix() for path in (out / "video").rglob("*.*")) == [
        "day1/dive.webm",
        "dive.webm",
    ]
    capture = cv2.VideoCapture(str(out / "video" / "day1" / "dive.webm"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(8 / 6, rel=0.01)
    shown = []
    while True:
        done, bgr = capture.read()
        if not done:
            break
        shown.append(bgr[..., ::-1])
    assert [picture.shape for picture in shown] == [(72, 96, 3)] * 4
    found = dict(segpipe.masks(run))
    for image, picture in zip(corpus.images[:4], shown, strict=True):
        rgb = read_original(corpus, image).rgb
        expected = overlay(rgb, found[image.id], class_colors(3), opacity=0.5)
        assert np.abs(picture.astype(int) - expected).mean() < 5 < np.abs(picture.astype(int) - rgb).mean()  # VP8


def test_a_video_is_a_site_and_its_frames_pair_beyond_their_scene(run: Path) -> None:
    corpus, pairs = load_corpus(run / "corpus"), load_pairs(run / "pairs")
    assert (corpus.groups[pairs.neighbors] != corpus.groups[:, None]).all()
    names = {part["name"] for part in json.loads((run / "cover" / "cover.json").read_text())["sites"]}
    assert names == {"day1/dive.mp4", "dive.avi", "(top folder)"}


def test_films_are_judged_over_time(run: Path, tmp_path: Path) -> None:
    with (run / "cover" / "time.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["film"] for row in rows} == {"day1/dive.mp4", "dive.avi"}
    seconds = [row["second"] for row in rows if row["film"] == "day1/dive.mp4" and row["class"] == "0"]
    assert seconds == ["0", "1", "2", ""]  # frames at 0, 0.75, 1.5 and 2.25 seconds
    (told,) = json.loads((run / "report" / "films.json").read_text())["films"]  # the other has three frames
    assert (told["film"], told["frames"], told["pairs"] + told["cuts"]) == ("day1/dive.mp4", 4, 3)
    shutil.copytree(run, tmp_path / "run")
    for name in ("day1/dive.mp4/000000", "day1/dive.mp4/000012"):
        path = tmp_path / "labels" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.arange(72 * 96, dtype=np.int64).reshape(72, 96) // 3456 % 2 == 1).save(path)
    scores = segpipe.evaluate(tmp_path / "run", labels=tmp_path / "labels")
    video = json.loads((tmp_path / "run" / "scores" / "scores.json").read_text())["video"]
    assert scores["video"].model_dump() == video
    (film,) = video["films"]
    assert (film["film"], film["frames"], film["labelled"], film["vc8"]) == ("day1/dive.mp4", 4, 2, None)
    assert film["note"] == "no VC: labels are on 2 of 4 frames, and it takes them on every frame"
    assert 0 < film["mean"]["j"] < 1


def test_nothing_runs_again_until_the_video_changes(folder: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "trip")
    shutil.copytree(run, tmp_path / "moved")
    run_dir = open_run(tmp_path / "moved")
    settings = pipeline.resolve(run_dir)
    assert {step.action for step in pipeline.plan(settings, run_dir)} == {"skip", "idle"}
    more = {"index.images": str(tmp_path / "trip")}
    segpipe.index(tmp_path / "trip", tmp_path / "moved")
    settings = pipeline.resolve(run_dir, more=more)
    assert {step.action for step in pipeline.plan(settings, run_dir)} == {"skip", "idle"}  # the same frames
    write_dive(tmp_path / "trip" / "day1" / "dive.mp4", 30)
    steps = pipeline.plan(settings, run_dir)
    assert (steps[0].action, steps[0].reason) == ("run", "files changed")


def test_a_moved_run_reads_its_own_frames_without_the_videos(folder: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "moved")
    run_dir = open_run(tmp_path / "moved")
    corpus = load_corpus(run_dir.path("corpus"))
    gone = save_elsewhere(corpus, run_dir, tmp_path / "nowhere")
    config = export.Config(formats=("overlay", "video", "yolo"))
    with pytest.raises(CorpusError, match=r"photo\.jpg|dive\.mp4\.png"):
        export.run(config, run_dir, Runtime())  # photographs stay where they were
    frame = next(image for image in gone.images if image.moment)
    assert gone.path(frame).is_relative_to(tmp_path / "moved")
    assert read_original(gone, frame).rgb.shape == (72, 96, 3)
    gone.path(frame).unlink()
    with pytest.raises(CorpusError, match=r"cannot be opened any more .*index IMAGES RUN --force"):
        read_original(gone, frame)


def save_elsewhere(corpus: Any, run_dir: RunDir, root: Path) -> Any:
    """The same corpus with its folder gone."""
    header = run_dir.path("corpus") / "header.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "root": str(root)}))
    relist(run_dir, "corpus")
    return load_corpus(run_dir.path("corpus"))


def test_a_corpus_with_frames_comes_back_from_disk(run: Path, tmp_path: Path) -> None:
    corpus = load_corpus(run / "corpus")
    save_corpus(corpus, [], tmp_path)
    assert load_corpus(tmp_path) == corpus


def test_frames_are_steadied_and_photographs_stay(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    segpipe.refine(tmp_path / "run", settings={"refine.steady": 2})
    before, after = (dict(segpipe.masks(root, classes=False)) for root in (run, tmp_path / "run"))
    np.testing.assert_array_equal(after["photo"], before["photo"])
    changed = [name for name, mask in after.items() if (mask != before[name]).any()]
    assert changed
    assert all("/" in name for name in changed)  # frames: `dive.avi/000006`
    assert all((mask != before[name]).mean() < 0.2 for name, mask in after.items())
    assert masks.load_header(tmp_path / "run" / "masks")["steady"] == 2


def test_apply_gives_the_bytes_of_the_run(folder: Path, run: Path, tmp_path: Path) -> None:
    model = tmp_path / "reef.segpipe"
    segpipe.bundle(run, model)
    out, dive = tmp_path / "out", folder / "day1" / "dive.mp4"
    command = ["apply", str(model), str(dive), str(out), "--frame-step", "3", "-f", "video,yolo", "-q"]
    assert run_cli(command) == 0
    made = {path.stem: path.read_bytes() for path in (out / "masks" / "dive.mp4").glob("*.png")}
    assert sorted(made) == [f"{i:06}" for i in range(0, 24, 3)]
    for i in (0, 6, 12, 18):
        assert made[f"{i:06}"] == (run / "masks" / "day1" / "dive.mp4" / f"{i:06}.png").read_bytes()
    assert len(VideoReader(out / "video" / "dive.webm")) == 8
    copied = sorted((out / "yolo" / "images").rglob("*.png"))
    assert len(copied) == 8
    frame = list(VideoReader(dive, step=3))[4].rgb
    with Pillow.open(copied[4]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), frame)
    assert {path.name for path in out.iterdir()} == {
        *("masks", "video", "yolo", "model.json", "rejected.jsonl", ".segpipe", ".lock"),
    }
    found = dict(segpipe.apply(model, dive, workers=1))
    assert sorted(found) == [f"dive.mp4/{i:06}" for i in (0, 8, 16)]


def test_frames_go_at_once_where_no_format_shows_them(
    folder: Path, run: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    from segpipe.commands.model import predict_folder as applied

    segpipe.bundle(run, tmp_path / "reef.segpipe")
    most = 0
    describe = applied.masks.describe_mask

    def watch(*arguments: Any, **more: Any) -> Any:
        nonlocal most
        most = max(most, len(list((tmp_path / "out" / ".begun" / "corpus" / "frames").rglob("*.png"))))
        return describe(*arguments, **more)

    monkeypatch.setattr(applied.masks, "describe_mask", watch)
    arguments = [
        "apply",
        str(tmp_path / "reef.segpipe"),
        str(folder / "day1"),
        str(tmp_path / "out"),
        "--frame-step",
        "2",
    ]
    assert run_cli([*arguments, "-f", "png", "--set", "runtime.workers=1", "-q"]) == 0
    assert 1 <= most <= 2
    assert len(list((tmp_path / "out" / "png").rglob("*.png"))) == 12


def test_a_frame_at_every_scene_stands_as_long_as_it_lasts(tmp_path: Path) -> None:
    film = write_film(tmp_path / "cuts.mkv", (10, 26, 14))
    summary = segpipe.index(film, tmp_path / "run", settings={"index.scene_threshold": 27})
    assert summary["frames"] == 3
    run_dir = open_run(tmp_path / "run")
    corpus = load_corpus(run_dir.path("corpus"))
    assert [image.moment.index for image in corpus.images if image.moment] == [0, 10, 36]
    with run_dir.writing("masks") as out:
        lines = []
        for i, image in enumerate(corpus.images):
            mask = np.full((48, 64), i, np.uint8)
            masks.write_mask(masks.mask_path(out, image.id), mask, classes=3)
            lines.append(masks.describe_mask(image.id, mask, classes=3))
        masks.save_index(out, lines)
        masks.save_header(out, {"classes": 3, "nodata": 255})
    assert export.run(export.Config(formats=("video",)), run_dir, Runtime()).files == {"video": 1}
    shown = VideoReader(run_dir.path("export") / "video/cuts.webm")
    assert [frame.seconds for frame in shown] == pytest.approx([0, 1, 3.6])  # 1, 2.6 and 1.4 seconds
    assert shown.info.frames / shown.info.fps == pytest.approx(5.0)


def test_a_video_without_a_cut_says_so(tmp_path: Path, caplog: Any) -> None:
    film = write_film(tmp_path / "one.mkv", (20,))
    assert segpipe.index(film, tmp_path / "run", settings={"index.scene_threshold": 27})["frames"] == 1
    (line,) = [record.getMessage() for record in caplog.records if "no change of scene" in record.getMessage()]
    assert line.startswith("one.mkv: index.scene_threshold=27 ")
    caplog.clear()
    segpipe.index(film, tmp_path / "run", settings={"index.scene_threshold": 27, "index.frame_step": 5})
    assert "no change of scene" not in caplog.text


def test_bad_videos_are_put_aside_or_shortened_with_the_reason(tmp_path: Path, caplog: Any) -> None:
    trip = tmp_path / "trip"
    cut_film(write_film(trip / "cut.avi", (20, 20)), 0.6)
    write_film(trip / "good.avi", (12,))
    write_film(trip / "large.avi", (12,), height=200, width=200)
    (trip / "junk.MP4").write_bytes(b"no video" * 100)
    (trip / "empty.mov").touch()
    with caplog.at_level(logging.WARNING):
        summary = segpipe.index(trip, tmp_path / "run", settings={"index.max_pixels": 10000, "runtime.workers": 2})
    run_dir = open_run(tmp_path / "run")
    reasons = {item.path: item.reason for item in load_rejected(run_dir.path("corpus"))}
    assert set(reasons) == {"cut.avi", "large.avi", "junk.MP4", "empty.mov"}
    assert "of 40 frames could be read; the rest of the file is damaged or missing" in reasons["cut.avi"]
    assert "200 x 200 pixels are more than index.max_pixels=10000" in reasons["large.avi"]
    assert "not a video" in reasons["junk.MP4"]
    ids = [image.id for image in load_corpus(run_dir.path("corpus")).images]
    assert ids[:2] == ["cut.avi/000000", "cut.avi/000010"]
    assert ids[-2:] == ["good.avi/000000", "good.avi/000010"]
    assert summary["frames"] == len(ids)
    with pytest.raises(CorpusError, match=r"none of 1 files .*junk\.MP4: .*not a video"):
        segpipe.index(trip / "junk.MP4", tmp_path / "none")


def test_lists_globs_and_ranges_take_videos_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{folder}/dive.avi\n{folder}/photo.jpg\n")
    segpipe.index(tmp_path / "list.txt", tmp_path / "a", settings={"index.frames": "4,9", "index.frame_step": 2})
    ids = [image.id for image in load_corpus(tmp_path / "a" / "corpus").images]
    assert ids == ["dive.avi/000004", "dive.avi/000006", "dive.avi/000008", "photo"]
    segpipe.index(f"{folder}/**/*.mp4", tmp_path / "b")
    assert len(load_corpus(tmp_path / "b" / "corpus").images) == 3
    with pytest.raises(UsageError, match=r"index\.frames='9,4' must be FROM,TO with FROM < TO"):
        segpipe.index(folder, tmp_path / "c", settings={"index.frames": "9,4"})
    assert run_cli(["apply", "x.segpipe", str(folder), str(tmp_path / "out"), "--frame-step", "0"]) == 2
    with pytest.raises(UsageError, match=r"none\.mp4: there is no such file"):
        segpipe.index(folder / "none.mp4", tmp_path / "d")


def test_a_dry_run_counts_the_frames_of_videos(folder: Path, tmp_path: Path, capsys: Any) -> None:
    assert run_cli(["run", str(folder), str(tmp_path / "new"), "--dry-run", "--set", "index.frame_step=6"]) == 0
    assert "9 images: about" in capsys.readouterr().out


def test_frames_do_not_depend_on_workers(folder: Path, tmp_path: Path) -> None:
    prints = set()
    for workers in (1, 3):
        run_dir = open_run(tmp_path / str(workers))
        config = index.Config(images=str(folder), frame_step=2, scene_threshold=30)
        prints.add(index.run(config, run_dir, Runtime(workers=workers)).fingerprint)
    assert len(prints) == 1
    other = index.run(index.Config(images=str(folder), frame_step=3), open_run(tmp_path / "other"), Runtime())
    assert other.fingerprint not in prints


def test_a_video_alone_has_pairs(tmp_path: Path) -> None:
    settings = {**SETTINGS, "index.frame_step": 2}
    segpipe.run(write_dive(tmp_path / "dive.mkv"), tmp_path / "run", settings=settings, stop="mine")
    corpus, pairs = load_corpus(tmp_path / "run" / "corpus"), load_pairs(tmp_path / "run" / "pairs")
    assert len(set(corpus.groups.tolist())) == 8
    assert pairs.neighbors.shape[1] == mine.Config().k
    assert (corpus.groups[pairs.neighbors] != corpus.groups[:, None]).all()


def test_similar_takes_frames_of_the_run_and_no_video(folder: Path, run: Path, tmp_path: Path) -> None:
    found = segpipe.similar(run, "day1/dive.mp4/000006", k=2, out=tmp_path / "like")
    assert len(found) == 2
    with pytest.raises(UsageError, match=r"is a video; name a picture, or a frame"):
        segpipe.similar(run, folder / "dive.avi")
