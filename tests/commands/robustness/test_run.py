"""`segpipe probe RUN`: how far a run's masks corrupt_and_segment, from a run to the page."""

import json
import os
import re
from pathlib import Path

import pytest

import segpipe
from segpipe.base.errors import CorpusError, RenamedWarning, UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.robustness import run as surviving
from segpipe.commands.robustness.measure import CorruptionSetup
from segpipe.commands.robustness.options import RobustnessOptions
from segpipe.commands.robustness.run import probe_run
from segpipe.inference.segment_array import open_segmenter
from segpipe.pipeline import open_run
from segpipe.records.finding import KEPT, MIOU
from segpipe.records.legend import plain_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir
from tests.helpers.findings import load_findings
from tests.helpers.quick_run import reef_run

pytestmark = pytest.mark.usefixtures("one_torch_thread")

NAMES = ["text", "zoom-in"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return reef_run(tmp_path_factory.mktemp("reef"), images=3)


def options_of(run: RunDir, out: Path | None, **options: object) -> RobustnessOptions:
    return make(RobustnessOptions, {"run": run.root, "out": out, **options})


def test_everything_is_written_and_does_not_depend_on_workers(run: RunDir, tmp_path: Path) -> None:
    options = {"max_images": 2, "corruptions": NAMES, "max_side": 160, "seed": 5}
    found = probe_run(run, options_of(run, None, **options), Runtime())
    assert found.page == run.root / "robustness" / "index.html"
    more = probe_run(run, options_of(run, tmp_path / "two", **options), Runtime(workers=2))
    assert more.findings == found.findings
    assert found.table.read_bytes() == more.table.read_bytes()
    rows = load_findings(found.table)
    assert [row.disturbance for row in rows] == ["zoom-in"] * 6 + ["text"] * 6
    assert {row.measure for row in rows} == {KEPT, MIOU}
    assert all(row.images == 2 and 0 <= row.low <= row.high <= 1 for row in rows)
    written = json.loads((run.root / "robustness" / "robustness.json").read_text())
    assert len(written["images"]) == 2
    assert written["said"] == list(found.summary)
    assert [row["value"] for row in written["findings"]] == pytest.approx([row.value for row in rows], abs=1e-7)
    assert (run.root / "robustness" / "robustness.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_needs_nothing_but_itself(run: RunDir, tmp_path: Path) -> None:
    found = probe_run(
        run, options_of(run, tmp_path, max_images=1, corruptions=["text", "hue"], max_side=120), Runtime()
    )
    html = found.page.read_text("utf-8")
    assert all(sentence in html for sentence in found.summary)
    assert set(re.findall(r'src="([a-z]+:)', html)) == {"data:"}
    assert "<script" not in html
    # one image: the picture as it was and at each level, for each of two families; and two figures
    assert html.count("<img ") == 2 * 4 + 2
    assert "None" not in html


def test_the_weights_of_the_page_are_the_words(run: RunDir, tmp_path: Path) -> None:
    found = probe_run(run, options_of(run, tmp_path, max_images=2, corruptions=["noise"], max_side=160), Runtime())
    kept = [row for row in found.findings if row.measure == KEPT]
    assert f"{100 * kept[-1].value:.1f}% of their pixels at 45 gray levels" in found.summary[0]
    assert found.summary[-1].startswith("They change most under noise at 45")


def test_a_file_that_changed_meanwhile_is_put_aside(run: RunDir, tmp_path: Path) -> None:
    corpus = load_corpus(run.path("corpus"))
    path = corpus.path(corpus.images[1])
    content, times = path.read_bytes(), path.stat()
    try:
        path.write_bytes(b"\0" * len(content))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        found = probe_run(run, options_of(run, tmp_path, max_images=0, corruptions=["dark"], max_side=64), Runtime())
        assert [each.path for each in found.rejected] == [corpus.images[1].path]
        assert found.findings[0].images == 2
        setup = CorruptionSetup(open_segmenter(run, Runtime(), crf=False), plain_legend(4), [], side=64, seed=0)
        with pytest.raises(CorpusError, match="not one image can be used"):
            surviving._measure_all(setup, corpus, [1], Runtime())
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_mistakes_are_said_with_the_way_out(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"corruptions=bluur is not known; there are .*blur, "):
        probe_run(run, options_of(run, tmp_path, corruptions=["bluur"]), Runtime())
    begun = open_run(tmp_path / "begun")
    with pytest.raises(UsageError, match="is not up to date"):
        probe_run(begun, options_of(begun, None), Runtime())


def test_the_command_tells_what_it_found(run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--max-images", "1", "--corruptions", "dark", "--max-side", "64", "-q"]
    assert run_cli(["robustness", str(run.root), str(tmp_path), *options]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Under dark the masks keep ")
    assert said.endswith(f"page     {tmp_path / 'index.html'}\n")
    twin = segpipe.robustness(run.root, tmp_path / "twin", max_images=1, corruptions=["dark"], max_side=64)
    assert (tmp_path / "twin" / "robustness.csv").read_bytes() == (tmp_path / "robustness.csv").read_bytes()
    assert len(twin) == 6


def test_probe_of_a_run_is_called_robustness_now(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--images", "1", "--disturb", "dark", "--side", "64", "-q"]
    assert run_cli(["probe", str(run.root), str(tmp_path / "old"), *options]) == 0
    said = capsys.readouterr().err
    assert "`segpipe probe RUN` is called `segpipe robustness RUN` now" in said
    assert "--disturb is called --corruptions now" in said
    with pytest.warns(RenamedWarning) as warned:
        segpipe.probe(run.root, tmp_path / "python", count=1, disturb=["dark"], side=64)
    assert {str(each.message).split(" is called ")[0] for each in warned} >= {
        "segpipe.probe(RUN)",
        "segpipe.robustness: count=",
        "segpipe.robustness: side=",
    }
    assert (tmp_path / "old" / "robustness.csv").read_bytes() == (tmp_path / "python" / "robustness.csv").read_bytes()


def test_images_need_a_folder_to_write_to(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["probe", str(run.root.parent / "images")]) == 2
    assert "is not a run (no config.yaml), so name the folder to write to" in capsys.readouterr().err
