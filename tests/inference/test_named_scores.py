"""Scores of a run's map under the names that it has now."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.inference.named_scores import named_scores
from segpipe.records.class_names import Entry, Naming
from segpipe.records.scores import LabelCounts, confusion_of, join
from segpipe.store.class_names import CLASSES, naming_text
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_confusion, load_image_scores, load_scores, save_counts, save_scores
from tests.helpers.report_run import add_scores, make_run


def write_names(run: RunDir, *names: str, merged: dict[int, int] | None = None) -> None:
    entries = {k: Entry((k, 9, 9), name, (merged or {}).get(k)) for k, name in enumerate(names)}
    (run.root / CLASSES).write_text(naming_text(Naming(entries), {}, {}), "utf-8")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Two images, labels sand and coral, three clusters: cluster 2 is more coral."""
    made = make_run(tmp_path, ["a", "b"], classes=3)
    add_scores(made, ["sand", "coral"], classes=3, names=["a", "b"])
    tables = [[[8, 0, 0, 0], [1, 2, 3, 0]], [[2, 0, 0, 2], [0, 1, 1, 0]]]
    counts = join([confusion_of(np.array(table)) for table in tables])
    save_counts(LabelCounts(counts, np.arange(2), 100, 0), made.path("scores"))
    return made


def test_names_are_read_anew_every_time(run: RunDir) -> None:
    assert named_scores(run) is None
    write_names(run, "sand", "coral", "rock")
    found = named_scores(run)
    assert found is not None
    assert found[0].accuracy == (8 + 2 + 2 + 1) / 20
    write_names(run, "sand", "coral", "", merged={2: 1})
    found = named_scores(run)
    assert found is not None
    assert found[0].accuracy == (8 + 5 + 2 + 2) / 20
    assert found[0].per_class_iou == {"sand": 10 / (12 + 1), "coral": 7 / 8}
    assert found[1].accuracy().tolist() == [13 / 14, 4 / 6]
    path = run.root / CLASSES
    path.write_text(path.read_text("utf-8").replace("ignore: false", "ignore: true"), "utf-8")
    left_out = named_scores(run)  # it is judged by its name all the same
    assert left_out is not None
    assert left_out[0] == found[0]
    write_names(run, "mud", "rock", "")
    assert named_scores(run) is None


def test_the_mean_is_that_of_the_protocol(run: RunDir) -> None:
    """Cluster 2 is called by a label that no pixel has: three pixels and one, none of them right."""
    path = run.path("scores")
    add_scores(run, ["sand", "coral", "algae"], classes=3, names=["a", "b"])
    counts = confusion_of(np.array([[10, 0, 0, 0], [1, 2, 4, 0], [0, 0, 0, 0]]))
    save_counts(LabelCounts(counts, np.zeros(1, np.int64), 100, 0), path)
    write_names(run, "sand", "coral", "algae")
    means = []
    for protocol in ("whole", "published"):
        scores = load_scores(path).model_copy(update={"protocol_name": protocol})
        save_scores(scores, load_image_scores(path), load_confusion(path)[1], path)
        (path / "SHA256SUMS").unlink(missing_ok=True)
        found = named_scores(run)
        assert found is not None
        means.append((found[0].miou, found[0].per_class_iou["algae"]))
    assert means == [((10 / 11 + 2 / 7) / 2, None), ((10 / 11 + 2 / 7) / 3, 0.0)]
