"""The report of runs of every kind."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.plots.html import percent
from segpipe.records.candidates import Candidate, Collapse
from segpipe.records.class_names import Entry, Naming
from segpipe.records.corpus import Rejected
from segpipe.stages import ARTEFACTS, cover, report
from segpipe.store.candidates import save_candidates
from segpipe.store.class_names import naming_text
from segpipe.store.cover import load_cover
from segpipe.store.run_dir import RunDir
from tests.helpers import report_run
from tests.helpers.relist import relist

NAMES = [f"sub/im {i:02d}" for i in range(20)]


class Page(HTMLParser):
    """The page's texts, and whether every element is closed."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.images: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.images += [value or "" for name, value in attrs if tag == "img" and name == "src"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def write(run_dir: RunDir, **settings: object) -> tuple[Page, report.Summary, str]:
    summary = report.run(report.Config.model_validate(settings), run_dir, Runtime(workers=2))
    html = (run_dir.root / "report" / "index.html").read_text("utf-8")
    assert summary.bytes == len(html.encode())
    return Page(html), summary, html


def test_a_run_without_labels_says_so(tmp_path: Path) -> None:
    page, summary, html = write(report_run.make_run(tmp_path, NAMES, classes=4))
    assert (summary.images, summary.crops, summary.scored) == (12, 20, False)
    assert "This run was not compared with labels." in page.text
    assert "From 20 images ordered by how well their patches fit" in page.text
    assert "None: every file that was found could be read." in page.text
    assert "Confusion matrix" not in page.text
    assert re.search(r"https?://(?!www\.w3\.org)", html) is None
    assert all(image.startswith("data:image/") for image in page.images)


def test_a_run_with_scores_shows_worst_median_and_best(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES, classes=4)
    report_run.add_scores(run_dir, ["sand", "rock"], classes=4, names=NAMES)
    page, summary, _ = write(run_dir, images=3)
    assert summary.scored
    assert summary.images == 3
    for text in (
        "Lowest accuracy",
        "Median accuracy",
        "Highest accuracy",
        "Confusion matrix",
        "81.2%",
        "75.0% to 86.0%",
    ):
        assert text in page.text
    assert "0 · sand" in page.text
    assert "class 3" in page.text
    shown = re.findall(r"accuracy (\d+)%", page.text)
    assert shown == ["5", "48", "95"]


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> & \"x\" 'y'"
    names = [evil.replace("/", "\u2215"), "jardín 珊瑚", "odd \udcff byte"]
    run_dir = report_run.make_run(tmp_path, names, classes=2, rejected=[Rejected(evil, "<img src=x onerror=y>")])
    page, _, html = write(run_dir, title=evil)
    assert "<script" not in html
    assert "onerror=y>" not in html
    assert page.text.count("<script>alert(1)") >= 3
    assert "jardín 珊瑚" in page.text
    assert "odd ? byte" in page.text
    assert "/some/<folder>" in page.text


@pytest.mark.parametrize(("images", "classes"), [(1, 1), (1, 3), (2, 60)])
def test_small_and_odd_runs(tmp_path: Path, images: int, classes: int) -> None:
    page, summary, _ = write(report_run.make_run(tmp_path, NAMES[:images], classes=classes, five=True))
    assert summary.images == images
    assert summary.crops == 3 * images
    assert ("The one image" in page.text) == (images == 1)


def test_many_images_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "CROPS", 8)
    page, summary, _ = write(report_run.make_run(tmp_path, NAMES, classes=3, five=True), images=6, patches=2)
    assert summary.crops == 8
    assert "8 of the 60 crops" in page.text


def test_sixty_classes_stay_below_six_megabytes(tmp_path: Path) -> None:
    names = NAMES[:8]
    run_dir = report_run.make_run(tmp_path, names, classes=60, height=200, width=304)
    report_run.add_scores(run_dir, [f"label {i}" for i in range(40)], classes=60, names=names)
    page, summary, _ = write(run_dir)
    assert summary.bytes < 6e6
    assert len(page.images) > 400


def test_scores_of_earlier_masks_are_left_out(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES[:3], classes=2)
    report_run.add_scores(run_dir, ["sand"], classes=2, names=NAMES[:3])
    run_dir.record("evaluate", report_run.record({}, inputs={"refine": "another"}))
    page, summary, _ = write(run_dir)
    assert not summary.scored
    assert "belong to earlier masks" in page.text


def test_principal_components_have_no_training_to_show(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES[:4], classes=3)
    head = run_dir.path("head")
    for name in ("history.jsonl", "histograms.npz"):
        (head / name).unlink()
    kept = Candidate(
        name="pca", method="pca", center=True, shifts={}, steps=0, dim=6, agreement=0.625, chosen=True, why="best"
    )
    fall = Collapse(step=130, value=0.97)
    lost = Candidate(
        name="stego-2", method="stego", center=False, shifts={"self": 0.1}, steps=131, dim=6, collapsed=fall, why="fell"
    )
    save_candidates([kept, lost], head)
    relist(run_dir, "head")
    page, _, _ = write(run_dir)
    assert "Of 2 candidates pca was kept. No training: the principal components" in page.text
    assert "pca 0.625 no training best" in page.text
    assert "stego-2 – 131 fell; codes of random pairs had a mean cosine of 0.97 at step 130" in page.text
    assert "shifts self 0.100" in page.text


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES[:4], classes=3)
    assert write(run_dir)[2] == write(run_dir)[2]


def test_a_missing_artefact_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="segpipe index"):
        report.run(report.Config(), RunDir(tmp_path, ARTEFACTS), Runtime())


def test_names_and_cover_are_on_the_page(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES[:4], classes=4)
    entries = {
        0: Entry((255, 0, 0), "live coral"),
        1: Entry((0, 255, 0), "sand"),
        2: Entry((1, 2, 3), "live coral"),
        3: Entry((9, 9, 9), "tape", ignore=True),
    }
    (run_dir.root / "classes.yaml").write_text(naming_text(Naming(entries), {}, {}), "utf-8")
    page, _, html = write(run_dir)
    assert "classes in use 2 made of 4 clusters" in page.text
    assert "Cover was not estimated" in page.text
    assert "live coral" in page.text
    assert "tape" not in page.text
    assert "class 1" not in page.text
    assert "background:#ff0000" in html
    assert "#010203" not in html
    points = tmp_path / "points.csv"
    points.write_text("image,row,column,label\n" + "".join(f'"{n}",{r},3,Sand\n' for n in NAMES[:4] for r in range(40)))
    cover.run(cover.Config(labels=points, gsd=0.01), run_dir, Runtime())
    page, _, _ = write(run_dir)
    found = load_cover(run_dir.path("cover"))
    first = found.whole.shares[0]
    assert first.low is not None
    assert first.high is not None
    shown = f"live coral {percent(first.share)} {percent(first.low)} to {percent(first.high)} {first.area:.3g} m²"
    assert shown in page.text
    assert re.search(
        r"Sand 100.0% 100.0% to 100.0% [\d.]+% \d+", page.text
    )  # all labels say so, so the corrected cover does
    (run_dir.root / "classes.yaml").write_text(naming_text(Naming({**entries, 1: Entry((0, 9, 0), "x")}), {}, {}))
    page, _, _ = write(run_dir)
    assert "is of earlier masks or names" in page.text


def test_scores_stay_of_clusters_under_names(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES[:3], classes=2)
    report_run.add_scores(run_dir, ["gravel", "weed"], classes=2, names=NAMES[:3])
    entries = {0: Entry((255, 0, 0), "both"), 1: Entry((0, 255, 0), "both")}
    (run_dir.root / "classes.yaml").write_text(naming_text(Naming(entries), {}, {}), "utf-8")
    page, summary, html = write(run_dir)
    assert summary.scored
    assert "made of 2 clusters" in page.text
    assert html.count("background:#ff0000") >= 4  # also of both labels in the table of scores
    assert "background:#00ff00" not in html


def test_certainty_names_the_images_to_label_next(tmp_path: Path) -> None:
    names = NAMES[:4]
    run_dir = report_run.make_run(tmp_path, names, classes=3)
    page, _, html = write(run_dir, images=3)
    assert "refine.certainty=true writes how certain" in page.text
    assert ">certainty<" not in html
    index = report.masks.load_index(run_dir.path("masks"))
    entropy = [0.2, 0.9, 0.8, 0.1]
    doubts = [{"0": 0.1, "2": 0.9}, {"0": 0.9, "2": 0.1}, {"0": 0.85, "2": 0.1}, {}]
    for entry, value, doubt in zip(index, entropy, doubts, strict=True):
        entry["entropy"] = value
        entry["margin"] = {k: 1 - doubt.get(k, 0.0) for k in entry["pixels"]}
    report.masks.save_index(run_dir.path("masks"), index)
    relist(run_dir, "masks")
    page, _, html = write(run_dir, images=3)
    assert ">certainty<" in html
    shown = page.text[page.text.index("Images to label next") :].split("What the classes look like")[0]
    places = [shown.find(name) for name in names]
    assert places[1] < places[0] < places[2]  # the first of class 0, the first of class 2, the second of class 0
    assert places[3] == -1
    pixels = sum(entry["pixels"].get("1", 0) for entry in index)
    margin = sum(entry["margin"].get("1", 0) * entry["pixels"].get("1", 0) for entry in index) / pixels
    assert re.search(rf"class 1 [\d.]+% {sum('1' in entry['pixels'] for entry in index)} {margin:.2f} ", page.text)


def test_what_was_read_otherwise_is_on_the_page_once(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, NAMES, classes=4)
    found = run_dir.manifest().stages["index"]
    assert "Read otherwise" not in write(run_dir)[0].text
    notes = ["20 .heic passed over", "a <b>.tif: of 10 bands 3, 2, 1 are looked at"]
    run_dir.record("index", found.model_copy(update={"summary": {**found.summary, "notes": notes}}))
    page = write(run_dir)[0]
    assert page.text.count("Read otherwise or passed over") == 2  # heading and table of contents
    assert [page.texts.count(note) for note in notes] == [1, 1]
