"""Two runs side by side: settings that differ, and how far masks agree once clusters are matched."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from segpipe import pipeline
from segpipe.commands.diff.compare import compare
from segpipe.store import masks
from segpipe.store.run_dir import RunDir


def run_with(root: Path, mask: np.ndarray, classes: int) -> RunDir:
    run = pipeline.open_run(root)
    directory = root / "masks"
    masks.write_mask(masks.mask_path(directory, "a"), mask, classes=classes)
    masks.save_index(directory, [masks.describe_mask("a", mask, classes=classes)])
    masks.save_header(directory, {"classes": classes, "nodata": 255})
    return run


def said(a: RunDir, b: RunDir, *settings: object) -> str:
    console = Console(record=True, width=120)
    console.print(compare(a, b, *settings))  # type: ignore[arg-type]
    return console.export_text()


def test_renumbered_clusters_agree_and_settings_that_differ_are_listed(tmp_path: Path) -> None:
    mask = np.repeat(np.arange(4, dtype=np.uint8), 25).reshape(10, 10)
    other = ((mask + 1) % 4).astype(np.uint8)
    other[0, :5] = 0  # 5 of 100 pixels are another cluster
    a, b = run_with(tmp_path / "a", mask, 4), run_with(tmp_path / "b", other, 4)
    first = pipeline.resolve(a)
    second = pipeline.resolve(b, more={"cluster.k": 4})
    shown = said(a, b, first, second)
    assert "cluster.k" in shown
    assert "masks: 95.00% of the pixels of 1 common images agree" in shown
    assert "the settings are the same" in said(a, b, first, first)


@pytest.mark.parametrize("size", [(10, 12), (5, 10)])
def test_images_of_another_size_are_not_compared(tmp_path: Path, size: tuple[int, int]) -> None:
    a = run_with(tmp_path / "a", np.zeros((10, 10), np.uint8), 2)
    b = run_with(tmp_path / "b", np.zeros(size, np.uint8), 2)
    settings = pipeline.resolve(a)
    assert "have no image in common" in said(a, b, settings, settings)
