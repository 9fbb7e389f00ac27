"""Blocks of crops searched apart, in any order, give the pairs of one search."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.ops.clustering import neighbor_search
from segpipe.stages import mine
from segpipe.stages.mine.mine_settings import Config
from segpipe.stages.mine.pair_work import Pairing, is_laid_out, possible_k
from segpipe.store.pairs import NAME, load_pairs
from segpipe.store.unit_files import FOLDER
from tests.helpers.planted_run import plant


@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw"])
def test_blocks_by_different_hands_are_those_of_one(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbor_search, "_ROWS_AT_ONCE", 10)
    run_dir, _ = plant(tmp_path, images=45, blank=2)
    config, out = Config(k=3, index=kind), tmp_path / "out"
    Pairing(config, run_dir, out, Runtime()).lay_out()
    assert is_laid_out(out)
    for units in (range(3, 8), range(3), range(2, 5)):  # some twice
        Pairing(config, run_dir, out, Runtime(workers=2)).write(units)
    work = Pairing(config, run_dir, out, Runtime())
    assert work.units == 8
    summary = work.finish()
    assert {path.name for path in out.iterdir()} == {NAME, FOLDER}  # until the stage is recorded
    assert (summary.crops, summary.k, summary.index, summary.blank) == (45, 3, kind, 2)
    if kind == "hnsw":  # its graph differs from one time to the next
        return
    assert mine.run(config, run_dir, Runtime()) == summary
    assert (run_dir.path("pairs") / NAME).read_bytes() == (out / NAME).read_bytes()
    assert load_pairs(out).neighbors.shape == (45, 3)


def test_k_is_what_every_crop_can_have(caplog: pytest.LogCaptureFixture) -> None:
    blank = np.zeros(6, bool)
    assert possible_k(2, np.arange(6), blank) == 2
    assert caplog.text == ""
    blank[0] = True
    assert possible_k(9, np.array([0, 0, 0, 0, 1, 2]), blank) == 2
    assert "mine.k=9: this corpus has only 2 crops to pair each crop with, so 2 are kept" in caplog.text
    assert "1 of 6 crops show nothing" in caplog.text
