"""Tables and formats, read by the formats' own reader where there is one."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from segpipe.base.csv_files import read_back
from segpipe.commands.track.follow import FrameLine, SeenTrack, describe
from segpipe.commands.track.footage import FilmFrame
from segpipe.commands.track.writers import sum_tracks, write_coco_video, write_mot, write_tracks
from segpipe.ops.tracking.tracks import Sighting, TrackedFrame

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


def line(number: int, mask: np.ndarray, scores: dict[int, float], *, scene: int = 1) -> FrameLine:
    shot = FilmFrame(number, f"dive/{number:06}", number / 10, np.zeros((*mask.shape, 3), np.uint8), False)
    sightings = tuple(Sighting(track, score, True) for track, score in scores.items())
    found = TrackedFrame(scene, sightings, np.zeros((len(scores), 1), np.float32), np.zeros(1, np.float32))
    return describe(shot, found, mask)


@pytest.fixture(scope="module")
def film() -> tuple[list[np.ndarray], list[FrameLine]]:
    masks = [np.zeros((7, 9), np.uint16) for _ in range(5)]
    masks[0][1:3, 2:6], masks[0][5:, 0] = 1, 2
    masks[1][0:4, 0:2] = 1
    masks[3][6, 8], masks[3][2:5, 3:5] = 1, 2
    masks[4][3, 3] = 300
    scenes = (1, 1, 1, 2, 2)
    numbers = (0, 1, 2, 4, 5)  # frame 3 could not be used
    scores = {1: 0.75, 2: 1.25, 300: 0.5}
    return masks, [line(n, m, scores, scene=s) for n, m, s in zip(numbers, masks, scenes, strict=True)]


def test_boxes_areas_and_run_lengths_are_those_of_pycocotools(film: tuple[list[np.ndarray], list[FrameLine]]) -> None:
    masks, lines = film
    for mask, one in zip(masks, lines, strict=True):
        assert [seen.track for seen in one.tracks] == [track for track in np.unique(mask) if track]
        for seen in one.tracks:
            rle = {"size": list(mask.shape), "counts": seen.rle}
            assert np.array_equal(coco.decode(rle), mask == seen.track)
            assert coco.area(rle) == seen.area
            assert coco.toBbox(rle).tolist() == list(seen.box)


def test_the_table_sums_every_track(film: tuple[list[np.ndarray], list[FrameLine]], tmp_path: Path) -> None:
    write_tracks(tmp_path / "t.csv", sum_tracks(film[1]))
    rows = read_back((tmp_path / "t.csv").read_text("utf-8"))
    assert rows[0] == [
        *("track", "first", "last", "first_seconds", "last_seconds"),
        *("frames", "refound", "mean_area", "mean_score", "scenes"),
    ]
    assert rows[1] == ["1", "0", "4", "0.000", "0.400", "3", "1", "5.7", "0.7500", "1 2"]
    assert rows[2] == ["2", "0", "4", "0.000", "0.400", "2", "1", "4.0", "1.2500", "1 2"]
    assert rows[3][0] == "300"


def test_mot_counts_from_one(film: tuple[list[np.ndarray], list[FrameLine]], tmp_path: Path) -> None:
    write_mot(tmp_path / "mot.txt", film[1])
    rows = [text.split(",") for text in (tmp_path / "mot.txt").read_text("ascii").splitlines()]
    assert rows[0] == ["1", "1", "3", "2", "4", "2", "0.7500", "-1", "-1", "-1"]
    assert rows[1] == ["1", "2", "1", "6", "1", "2", "1.0000", "-1", "-1", "-1"]
    assert [row[:2] for row in rows] == [["1", "1"], ["1", "2"], ["2", "1"], ["5", "1"], ["5", "2"], ["6", "300"]]
    assert {len(row) for row in rows} == {10}


def test_youtube_vis_has_an_entry_a_frame(film: tuple[list[np.ndarray], list[FrameLine]], tmp_path: Path) -> None:
    masks, lines = film
    write_coco_video(tmp_path / "c.json", lambda start, stop: lines[start:stop], sum_tracks(lines))
    found = json.loads((tmp_path / "c.json").read_text("utf-8"))
    (video,) = found["videos"]
    assert video == {
        **{"id": 1, "width": 9, "height": 7, "length": 5},
        "file_names": [f"dive/{number:06}" for number in (0, 1, 2, 4, 5)],
    }
    assert [each["id"] for each in found["annotations"]] == [1, 2, 300]
    for each in found["annotations"]:
        assert (each["video_id"], each["category_id"], each["iscrowd"]) == (1, found["categories"][0]["id"], 0)
        assert len(each["segmentations"]) == len(each["bboxes"]) == len(each["areas"]) == 5
        for mask, rle, box, area in zip(masks, each["segmentations"], each["bboxes"], each["areas"], strict=True):
            own = mask == each["id"]
            assert (rle is None) == (box is None) == (area is None) == (not own.any())
            if rle is not None:
                assert np.array_equal(coco.decode(rle), own)
                assert (area, box) == (own.sum(), coco.toBbox(rle).tolist())


def test_a_film_without_tracks_is_written(tmp_path: Path) -> None:
    lines = [line(0, np.zeros((4, 5), np.uint16), {})]
    write_coco_video(tmp_path / "c.json", lambda start, stop: lines[start:stop], sum_tracks(lines))
    write_mot(tmp_path / "mot.txt", lines)
    write_tracks(tmp_path / "t.csv", sum_tracks(lines))
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["annotations"] == []
    assert (tmp_path / "mot.txt").read_bytes() == b""
    assert len((tmp_path / "t.csv").read_text("utf-8").splitlines()) == 1


def test_a_line_holds_what_was_seen() -> None:
    assert line(3, np.array([[0, 5]], np.uint16), {5: 0.5}).tracks == (SeenTrack(5, 0.5, 1, (1, 0, 1, 1), "11"),)
