from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.store.training_log import Journal, count, load_histograms, load_history

EDGES = np.linspace(-1, 1, 5)


def fill(journal: Journal, steps: range) -> None:
    for step in steps:
        journal.add(step, {"loss": step / 3})
        if step % 4 == 0:
            journal.add_histograms(step, {"code_self": count(np.array([-2, -0.9, 0.1, 0.1 * step]), EDGES)})


def test_a_journal_that_goes_on_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    for name, stop in (("whole", 12), ("torn", 9)):
        (tmp_path / name).mkdir()
        journal = Journal(tmp_path / name, EDGES, done=0, events=False)
        fill(journal, range(stop))
        journal.save()
    journal = Journal(tmp_path / "torn", EDGES, done=6, events=False)
    assert [row["step"] for row in journal.rows] == list(range(6))
    fill(journal, range(6, 12))
    journal.save()
    for file in ("history.jsonl", "histograms.npz"):
        assert (tmp_path / "torn" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    steps, edges, counts = load_histograms(tmp_path / "whole")
    assert steps.tolist() == [0, 4, 8]
    np.testing.assert_array_equal(edges, EDGES)
    assert counts["code_self"].tolist() == [[2, 0, 2, 0], [2, 0, 2, 0], [2, 0, 1, 1]]
    assert load_history(tmp_path / "whole")[-1] == {"step": 11, "loss": 11 / 3}


def test_values_outside_go_to_the_end_bins() -> None:
    assert count(np.array([-5, -0.99, 0.99, 5]), EDGES).tolist() == [2, 0, 0, 2]


def test_a_journal_that_starts_anew_ignores_old_files(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EDGES, done=0, events=False)
    fill(journal, range(5))
    journal.save()
    assert Journal(tmp_path, EDGES, done=0, events=False).rows == []


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '{"step": "x"}', '{"step": null, "loss": 1}', "[" * 100_000, '{"step": 1']
)
def test_rows_of_other_types_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "history.jsonl").write_text(text)
    with pytest.raises(UsageError, match=r"history\.jsonl is missing or damaged .* make it again with `segpipe train`"):
        load_history(tmp_path)
