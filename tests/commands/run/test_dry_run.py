"""What a run is expected to cost before it is begun: how much work there is, sums, and whether the disk will do."""

import io
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.base.cost import Cost, Work
from segpipe.commands.run import dry_run
from segpipe.store.run_dir import RunDir
from tests.helpers.films import write_film
from tests.helpers.planted_run import plant


def step(name: str, action: Any, cost: Cost | None, seen: list[Work]) -> pipeline.Step:
    """A step of a stage that says what it costs and keeps what it was told of the work; None: it must not be asked."""

    def told(config: Section, work: Work) -> Cost:
        seen.append(work)
        assert cost is not None
        return cost

    stage: Any = SimpleNamespace(NAME=name, cost=told)
    return pipeline.Step(stage, action, f"because of {name}")


def expected(
    run_dir: RunDir, settings: Mapping[str, Section], *costs: tuple[str, Cost | None]
) -> tuple[list[str], Work]:
    """Every line that is shown, its words one blank apart, and the work that the stages were asked about."""
    seen: list[Work] = []
    names = ("index", "extract", "mine")
    steps = [step(name, action, cost, seen) for name, (action, cost) in zip(names, costs, strict=False)]
    out = io.StringIO()
    Console(file=out, width=200).print(dry_run.expect(steps, settings, run_dir))
    return [" ".join(line.split()) for line in out.getvalue().splitlines() if line.strip()], seen[0]


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten billion operations a second and 5 MB of free disk."""
    monkeypatch.setattr(dry_run, "machine_gflops", lambda: 10.0)
    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))


def test_stages_that_will_run_are_added_up_and_others_cost_nothing(tmp_path: Path) -> None:
    run_dir, _ = plant(tmp_path, images=4)
    costs = ("run", Cost(50, 1_600_000)), ("skip", None), ("run", Cost(70, 400))
    lines, _ = expected(run_dir, pipeline.resolve(run_dir), *costs)
    assert lines == [
        "stage action time disk reason",
        "index run 50 s 2 MB because of index",
        "extract skip because of extract",
        "mine run 70 s 400 B because of mine",
        "4 images: about 2 min and 2 MB of disk (5 MB free)",
    ]


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (Cost(89, 999), "about 89 s and 999 B of disk (5 MB free)"),
        (Cost(5399, 4_999_000), "about 90 min and 5 MB of disk (5 MB free)"),
        (Cost(5400, 5_000_000), "about 1.5 h and 5 MB of disk (5 MB free); this will not fit"),
        (Cost(0, 7.3e12), "about 0 s and 7.3 TB of disk (5 MB free); this will not fit"),
    ],
)
def test_amounts_have_units_of_their_size_and_a_full_disk_is_foreseen(tmp_path: Path, cost: Cost, said: str) -> None:
    run_dir, _ = plant(tmp_path, images=1)
    lines, _ = expected(run_dir, pipeline.resolve(run_dir), ("run", cost))
    assert lines[-1] == f"1 image: {said}"


def test_the_work_of_a_run_that_was_begun_is_that_of_its_corpus(tmp_path: Path) -> None:
    run_dir, _ = plant(tmp_path, images=5, crops=3)
    settings = pipeline.resolve(run_dir, more={"runtime.workers": 7})
    _, work = expected(run_dir, settings, ("run", Cost(0, 0)))
    assert work == Work(5, 15, pytest.approx(5 * 48 * 64 / 1e6), workers=7, gflops=10.0)


@pytest.mark.parametrize(("crops", "each"), [("whole", 1), ("five", 5), ("windows", 6)])
def test_the_work_of_a_new_run_is_guessed_from_its_files(tmp_path: Path, crops: str, each: int) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.jpg", quality=92)
    write_film(images / "dive.avi", [12], height=48, width=64)
    run_dir = RunDir(tmp_path / "new" / "run", {})
    more = {"index.images": str(images), "index.crops": crops, "index.frame_step": 5}
    lines, work = expected(run_dir, pipeline.resolve(run_dir, more=more), ("run", Cost(0, 0)))
    assert (work.images, work.crops) == (5, 5 * each)  # two photographs and frames 0, 5 and 10
    assert work.frame_megapixels == pytest.approx(3 * 48 * 64 / 1e6)
    assert work.frame_megapixels <= work.decoded_megapixels <= 12 * 48 * 64 / 1e6
    bytes_ = sum(path.stat().st_size for path in images.glob("*.jpg"))
    assert work.megapixels == pytest.approx(3 * bytes_ / 1e6 + work.frame_megapixels)
    assert 0.3 < (work.megapixels - work.frame_megapixels) / (2 * 60 * 80 / 1e6) < 6  # noise is a JPEG's worst case
    assert lines[-1].startswith("5 images: about ")
    assert not (tmp_path / "new").exists()


def test_channels_are_those_that_the_settings_make(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif")
    run_dir = RunDir(tmp_path / "run", {})
    for more, channels in (({}, 0), ({"index.bands": "1,2,3,4,5"}, 5), ({"index.beside": "_nir,_red"}, 5)):
        settings = pipeline.resolve(run_dir, more={"index.images": str(tmp_path), **more})
        assert expected(run_dir, settings, ("run", Cost(0, 0)))[1].channels == channels


def test_the_speed_of_the_machine_is_that_of_its_fastest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch's own count of operations, and a clock on which one product takes a quarter of a second."""
    monkeypatch.undo()
    passing, ticks = iter([0, 2, 0, 0.25, 0, 1, 0, 3, 0, 0.5, 0, 1]), list[float]()

    def tick() -> float:
        ticks.append(ticks[-1] + next(passing) if ticks else next(passing))
        return ticks[-1]

    monkeypatch.setattr(dry_run, "time", SimpleNamespace(perf_counter=tick))
    with FlopCounterMode(display=False) as counter:
        found = dry_run.machine_gflops()
    products = len(ticks) / 2
    assert found == pytest.approx(counter.get_total_flops() / products / 0.25 / 1e9)
