"""Every way to make a head, the choice between them, and what happens when one collapses."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from segpipe.base import checksums
from segpipe.base.runtime import Runtime
from segpipe.nn.head import build_head, codes
from segpipe.records.candidates import Candidate, Collapse
from segpipe.stages import train
from segpipe.stages.train import candidates
from segpipe.stages.train.loop import trial_steps
from segpipe.stages.train.validation import Validator
from segpipe.store import candidates as table
from segpipe.store.checkpoints import load_tensors
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from segpipe.store.training_log import load_histograms, load_history
from tests.stages.train.test_train import Killed, mined, stopping

SMALL: dict[str, Any] = {
    "steps": 30,
    "batch": 4,
    "dim": 6,
    "samples": 4,
    "checkpoint_every": 10,
    "tensorboard": False,
    "candidates": ("pca", "stego"),
}
RAW = {"center": False, "shifts": "published", "steps": 160, "lr": 3e-3, "shift_negative": -0.5}

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def head_of(run_dir: RunDir) -> Any:
    return build_head(*load_tensors(run_dir.path("head") / "head.safetensors"))


def left_files(run_dir: RunDir) -> list[str]:
    head = run_dir.path("head")
    names = sorted(path.relative_to(head).as_posix() for path in head.rglob("*") if path.is_file())
    return [name for name in names if name != checksums.NAME]


@pytest.mark.parametrize("method", ["stego", "smooseg", "cause", "hp"])
def test_every_method_trains_resumes_and_logs(tmp_path: Path, method: str) -> None:
    run_dir = mined(tmp_path, images=9)
    config = train.Config(**SMALL | {"method": method})
    whole = train.run(config, run_dir, Runtime())
    assert (whole.chosen, whole.method, whole.steps, whole.collapsed) == (method, method, 30, False)
    assert whole.shifts.keys() == ({"self", "neighbor", "negative"} if method == "stego" else set())
    rows = load_history(run_dir.path("head"))
    assert [row["step"] for row in rows] == [0, 10, 20, 29]
    assert all("code_negative" in row and len(row) > 3 for row in rows)
    assert len(load_histograms(run_dir.path("head"))[2]) == (6 if method == "stego" else 0)
    names = left_files(run_dir)
    assert names == ["candidates.json", "head.safetensors", "histograms.npz", "history.jsonl"]
    kept = {name: (run_dir.path("head") / name).read_bytes() for name in names}
    shutil.rmtree(run_dir.path("head"))
    for at in (13, 25):
        with pytest.raises(Killed):
            train.run(config, run_dir, stopping(at))
    assert train.run(config, run_dir, Runtime()) == whole
    assert {name: (run_dir.path("head") / name).read_bytes() for name in names} == kept


def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=9)
    config = train.Config(**SMALL | {"method": "stego"})
    with pytest.raises(Killed):
        train.run(config, run_dir, stopping(25))
    (checkpoint,) = run_dir.root.rglob("checkpoint.safetensors")
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    train.run(config, run_dir, Runtime())
    assert "training begins anew" in caplog.text
    found = (run_dir.path("head") / "head.safetensors").read_bytes()
    shutil.rmtree(run_dir.path("head"))
    train.run(config, run_dir, Runtime())
    assert (run_dir.path("head") / "head.safetensors").read_bytes() == found


def test_killed_once_its_outcome_is_written_no_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, config = mined(tmp_path, images=9), train.Config(**SMALL | {"method": "stego"})
    save = table.save_outcome

    def killed(*arguments: Any) -> None:
        save(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(table, "save_outcome", killed)
        with pytest.raises(Killed):
            train.run(config, run_dir, Runtime())
    train.run(config, run_dir, Runtime())
    assert left_files(run_dir) == ["candidates.json", "head.safetensors", "histograms.npz", "history.jsonl"]


def test_the_head_of_principal_components_is_sklearns(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=6)
    plain = SMALL | {"method": "pca", "whiten": 0}
    summary = train.run(train.Config(**plain), run_dir, Runtime())
    store = FeatureStore(run_dir.path("features"))
    patches = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(6)]).astype(np.float64)
    expected = PCA(6, svd_solver="full").fit_transform(patches)
    found = codes(head_of(run_dir), patches)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)
    assert (summary.steps, summary.loss, summary.code_correlation, summary.dim) == (0, None, {}, 6)
    assert left_files(run_dir) == ["candidates.json", "head.safetensors"]
    summary = train.run(train.Config(**plain | {"dim": 99}), run_dir, Runtime())
    assert summary.dim == head_of(run_dir).dim == 16


def test_measured_shifts_are_told_and_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=9)
    caplog.set_level("INFO")
    summary = train.run(train.Config(**SMALL | {"method": "stego"}), run_dir, Runtime())
    assert summary.shifts["self"] < summary.shifts["negative"] < 1
    assert f"negative {summary.shifts['negative']:.3f}" in caplog.text
    given = {f"shift_{kind}": value for kind, value in summary.shifts.items()}
    measured = (run_dir.path("head") / "head.safetensors").read_bytes()
    config = train.Config(**SMALL | given | {"method": "stego", "shifts": "published"})
    train.run(config, run_dir, Runtime())
    assert (run_dir.path("head") / "head.safetensors").read_bytes() == measured


def test_nothing_is_trained_to_choose_from_on_less_than_a_batch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir = mined(tmp_path, images=3)
    with caplog.at_level("INFO"):
        alone = train.run(train.Config(**SMALL), run_dir, Runtime())
    assert [found.name for found in alone.candidates] == ["pca"]
    assert "3 crops are less than one batch" in caplog.text
    wanted = train.run(train.Config(**SMALL | {"candidates": ("stego",)}), run_dir, Runtime())
    assert (wanted.chosen, wanted.steps, wanted.batch) == ("stego", 30, 3)
    assert "each step takes 3" in caplog.text


def test_auto_keeps_the_better_head(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=12)
    spoilt = train.run(train.Config(**SMALL | RAW | {"rescue": False}), run_dir, Runtime())
    assert spoilt.chosen == "pca"
    assert [found.name for found in spoilt.candidates] == ["pca", "stego"]
    assert left_files(run_dir) == ["candidates.json", "candidates/stego/history.jsonl", "head.safetensors"]
    # pushed apart whatever they show, codes do not collapse and mean little
    config = train.Config(**SMALL | {"candidates": ("stego", "pca"), "shifts": "published", "shift_self": 2})
    chosen = train.run(config, run_dir, Runtime())
    worse, better = chosen.candidates
    assert worse.agreement is not None
    assert better.agreement is not None
    assert worse.collapsed is None
    assert worse.agreement < better.agreement == chosen.agreement
    assert chosen.chosen == "pca"
    table = json.loads((run_dir.path("head") / "candidates.json").read_text())
    assert [row["why"] for row in table] == ["lower agreement", "highest neighbor agreement"]


def judged(method: str, agreement: float | None, **more: Any) -> Candidate:
    shown: dict[str, Any] = {"center": True, "shifts": {}, "steps": 1, "dim": 2, "agreement": agreement}
    return Candidate(name=method, method=method, **shown | more)


@pytest.mark.parametrize(("marks", "chosen"), [((0.5, 0.52), 0), ((0.5, 0.54), 1), ((0.5, 0.4), 0)])
def test_a_later_candidate_must_be_better_by_a_margin(marks: tuple[float, float], chosen: int) -> None:
    found = candidates.choose([judged("pca", marks[0]), judged("stego", marks[1])])
    assert [row.chosen for row in found] == [chosen == 0, chosen == 1]
    assert [row.agreement for row in found] == [*marks]
    assert len({row.why for row in found}) == 2


def test_what_was_given_up_or_collapsed_is_not_kept_however_it_agrees() -> None:
    fall = Collapse(step=120, value=0.97)
    found = candidates.choose(
        [judged("pca", 0.5), judged("stego", 0.9, collapsed=fall), judged("hp", 0.8, given_up=True)]
    )
    assert [row.chosen for row in found] == [True, False, False]
    assert [row.why for row in found] == [
        "highest neighbor agreement",
        "collapsed",
        "given up early: would not be better by 0.03",
    ]
    best = candidates.best_of([judged("pca", 0.5), judged("cause", 0.6), judged("stego", 0.9, collapsed=fall)])
    assert best is not None
    assert best.name == "cause"
    assert candidates.best_of([judged("pca", None)]) is None


SPOILT: dict[str, Any] = {"shifts": "published", "shift_self": 2, "steps": 240, "checkpoint_every": 50}
"""A training that pushes codes apart whatever they show."""


def test_a_training_that_falls_behind_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=12)
    config = train.Config(**SMALL | SPOILT)
    with caplog.at_level("INFO"):
        summary = train.run(config, run_dir, Runtime())
    pca, stego = summary.candidates
    assert stego.agreement is not None
    assert pca.agreement is not None
    assert stego.agreement < pca.agreement
    assert (stego.steps, stego.given_up, stego.collapsed, summary.chosen) == (101, True, None, "pca")
    (line,) = [record.getMessage() for record in caplog.records if "not trained further" in record.getMessage()]
    assert f"after 101 steps it has a neighbor agreement of {stego.agreement:.3f}, pca {pca.agreement:.3f}" in line
    rows = load_history(run_dir.path("head") / "candidates" / "stego")
    assert [row["step"] for row in rows] == [*range(0, 101, 10)]
    # alone, or first, it has nothing to fall behind and is trained to its end, by the very same steps
    alone = train.run(config.model_copy(update={"method": "stego"}), run_dir, Runtime())
    assert (alone.steps, alone.candidates[0].given_up) == (240, False)
    assert load_history(run_dir.path("head"))[:11] == rows
    first = train.run(config.model_copy(update={"candidates": ("stego", "pca")}), run_dir, Runtime())
    assert [(found.name, found.steps, found.given_up) for found in first.candidates] == [
        ("stego", 240, False),
        ("pca", 0, False),
    ]


def test_a_look_on_the_way_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = mined(tmp_path, images=12)
    looks = []

    def score(self: Validator, head: Any) -> float:
        looks.append(codes(head, np.ones((1, 16))).sum())
        return 0.5 + 0.04 * (len(looks) > 1)

    monkeypatch.setattr(Validator, "score", score)
    config = train.Config(**SMALL | {"steps": 240})
    compared = train.run(config, run_dir, Runtime())
    assert [found.steps for found in compared.candidates] == [0, 240]
    assert len(looks) == 2 + len(trial_steps(240, first=0))  # principal components, STEGO on its way and at its end
    assert len(set(looks)) == len(looks) > 5
    rows = load_history(run_dir.path("head"))
    train.run(config.model_copy(update={"method": "stego"}), run_dir, Runtime())
    assert load_history(run_dir.path("head")) == rows


@pytest.mark.parametrize(("agreement", "steps"), [(0.495, 101), (0.496, 121), (0.51, 181), (0.529, 240)])
def test_the_less_is_left_of_a_training_the_more_it_must_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agreement: float, steps: int
) -> None:
    """Wanted is 0.53, and 0.06 comes by a whole training: 0.495 is too little with 139 of 240 steps left."""
    marks = iter([0.5] + 9 * [agreement])
    monkeypatch.setattr(Validator, "score", lambda self, head: next(marks))
    summary = train.run(train.Config(**SMALL | {"steps": 240}), mined(tmp_path, images=6), Runtime())
    assert summary.candidates[1].steps == steps
    assert summary.candidates[1].given_up == (steps < 240)


@pytest.mark.parametrize("at", [60, 100])
def test_killed_before_it_is_given_up_it_ends_with_the_same_bytes(tmp_path: Path, at: int) -> None:
    run_dir = mined(tmp_path, images=9)
    config = train.Config(**SMALL | SPOILT)
    whole = train.run(config, run_dir, Runtime())
    assert whole.candidates[1].given_up
    kept = {name: (run_dir.path("head") / name).read_bytes() for name in left_files(run_dir)}
    shutil.rmtree(run_dir.path("head"))
    with pytest.raises(Killed):
        train.run(config, run_dir, stopping(at))
    assert train.run(config, run_dir, Runtime()) == whole
    assert {name: (run_dir.path("head") / name).read_bytes() for name in left_files(run_dir)} == kept


def test_a_collapse_is_noticed_stopped_corrected_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=12)
    summary = train.run(train.Config(**SMALL | RAW | {"method": "stego"}), run_dir, Runtime())
    first, second = summary.candidates
    assert first.collapsed is not None
    assert 110 < first.collapsed.step < 159
    assert first.steps == first.collapsed.step + 1
    assert (second.name, second.center, second.collapsed, second.chosen) == ("stego-2", True, None, True)
    assert second.shifts["negative"] != first.shifts["negative"] == -0.5
    (line,) = [record.getMessage() for record in caplog.records if "mean cosine" in record.getMessage()]
    assert "stego-2" in line
    assert "\n" not in line
    assert summary.chosen == "stego-2"
    assert not summary.collapsed
    assert "candidates/stego/history.jsonl" in left_files(run_dir)


def test_without_rescue_a_collapsed_head_is_trained_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir = mined(tmp_path, images=12)
    summary = train.run(train.Config(**SMALL | RAW | {"method": "stego", "rescue": False}), run_dir, Runtime())
    assert (summary.steps, summary.collapsed, len(summary.candidates)) == (160, True, 1)
    assert "mean cosine" in caplog.text


def test_what_collapses_whatever_is_done_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = mined(tmp_path, images=4, constant=True)
    summary = train.run(train.Config(**SMALL), run_dir, Runtime())
    names = [found.name for found in summary.candidates]
    assert names == ["pca", "stego", "stego-2", "stego-3"]  # quantiles .9, .95 and .98
    assert summary.chosen == "pca"
    assert "train.method=pca" in caplog.text


@pytest.mark.parametrize("at", [3, 17, 29])
def test_killed_in_the_second_candidate_it_ends_with_the_same_bytes(tmp_path: Path, at: int) -> None:
    run_dir = mined(tmp_path, images=9)
    config = train.Config(**SMALL | {"candidates": ("smooseg", "stego")})
    whole = train.run(config, run_dir, Runtime())
    kept = {name: (run_dir.path("head") / name).read_bytes() for name in left_files(run_dir)}
    shutil.rmtree(run_dir.path("head"))
    rounds = [Runtime(), stopping(at)]

    def track(items: Any, **options: Any) -> Any:
        return rounds.pop(0).track(items, **options)

    with pytest.raises(Killed):
        train.run(config, run_dir, Runtime(track=track))
    assert (run_dir.root / "head.partial" / "candidates" / "smooseg" / "outcome.json").exists()
    assert train.run(config, run_dir, Runtime()) == whole
    assert {name: (run_dir.path("head") / name).read_bytes() for name in left_files(run_dir)} == kept


def test_corpora_too_small_to_judge(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = train.Config(**SMALL | {"batch": 1})  # below a batch there is nothing to judge
    summary = train.run(config, mined(tmp_path / "one", images=1), Runtime())
    assert (summary.chosen, summary.agreement) == ("pca", None)
    assert "cannot be judged" in caplog.text
    summary = train.run(config, mined(tmp_path / "crops", images=1, crops=3), Runtime())
    assert summary.agreement is not None
