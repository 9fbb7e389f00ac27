"""Tables and the film are made of the finished frames alone."""

import csv
from pathlib import Path

import numpy as np

from segpipe.base.runtime import Runtime
from segpipe.commands.propagate.carry_state import FrameRow
from segpipe.commands.propagate.tables_written import write_overlay, write_tables
from segpipe.commands.propagate.writers import FrameFiles
from segpipe.images.numbered_frames import open_frames
from segpipe.images.video import VideoReader, probe_video
from segpipe.ops.propagation.soft_maps import Deciding
from segpipe.records.legend import plain_legend
from segpipe.store.masks import write_mask
from tests.helpers.wandering import wandering, write_wandering

ROWS = [
    FrameRow(2, 0.21, 1.0, key=True, size=(10, 20), pixels={0: 150, 1: 50}, overlap={0: 1.0, 1: 1.0}),
    FrameRow(3, None, 0.5, key=False, size=(10, 20), pixels={0: 200}, overlap={0: 0.5}),
]


def table(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_tables_say_when_how_much_and_how_sure(tmp_path: Path) -> None:
    write_tables(tmp_path, ROWS, plain_legend(2), 10)
    assert table(tmp_path / "frames.csv")[1:] == [["2", "0.210", "1.0000", "1"], ["3", "0.300", "0.5000", "0"]]
    areas = table(tmp_path / "area.csv")
    assert areas[2] == ["2", "0.210", "1", "class 1", "50", "0.250000", "1.0000"]
    assert areas[4] == ["3", "0.300", "1", "class 1", "0", "0.000000", ""]
    assert table(tmp_path / "classes.csv")[2][:2] == ["1", "class 1"]
    write_tables(tmp_path, ROWS, plain_legend(2), 0)
    assert [row[1] for row in table(tmp_path / "frames.csv")[1:]] == ["0.210", ""]


def test_the_film_shows_the_finished_frames_in_their_colors(tmp_path: Path) -> None:
    sequence = open_frames(str(write_wandering(tmp_path / "a.avi", 5, height=62, width=84)), workers=1)
    legend = plain_legend(2)
    target = FrameFiles(tmp_path / "out", legend, Deciding(8), 6, objects=(1,))
    rows = {}
    for number in (1, 2, 4):
        mask = wandering(number, height=62, width=84)[1]
        write_mask(target.mask_path(number), mask, classes=2, colors=legend.colors)
        rows[number] = FrameRow(number, None, 1.0, key=False, size=(62, 84), pixels={}, overlap={})
    write_overlay(tmp_path / "a.webm", sequence, target, rows, Runtime(workers=2), fps=sequence.fps)
    info = probe_video(tmp_path / "a.webm")
    assert (info.height, info.width, info.fps) == (62, 84, 10.0)
    shown = [frame.rgb for frame in VideoReader(tmp_path / "a.webm")]
    assert len(shown) == 3
    rgb, mask = wandering(1, height=62, width=84)
    wanted = (rgb[55:60, 60:80].mean((0, 1)) + legend.colors[0]) / 2
    assert mask[55:60, 60:80].max() == 0
    assert np.abs(shown[0][55:60, 60:80].mean((0, 1)) - wanted).max() < 12
