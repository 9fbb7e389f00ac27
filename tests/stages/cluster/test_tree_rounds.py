"""A tree grown by many hands, in rounds, is the tree of one process."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.nn.head import describe_head, new_head
from segpipe.stages import cluster
from segpipe.stages.cluster.tree_rounds import TREE, TreeGrowth
from segpipe.store import features
from segpipe.store.checkpoints import save_tensors
from segpipe.store.clusters import load_tree
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import in_rounds, round_of
from tests.helpers.planted_run import plant

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {"k": 4, "n_init": 2, "max_iter": 20, "prototypes": 20, "method": "tree"}


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """Ten crops of 48 patches, three a shard; the last shard shows nothing."""
    monkeypatch.setattr(features, "_SHARD_BYTES", 3 * 2 * 8 * 8 * 16)
    run_dir, _ = plant(tmp_path, images=10, blank=1)
    head = new_head(16, 6, 0.1, seed=0)
    with run_dir.writing("head") as out:
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
    return run_dir


def opened(config: cluster.Config, run_dir: RunDir, out: Path, *, workers: int = 1) -> TreeGrowth:
    return cluster.open_growth(config, run_dir, out, Runtime(workers=workers))


@pytest.mark.parametrize(("patches", "rounds"), [(200, 4), (10**6, 1)])
def test_units_in_any_order_by_any_hands(run_dir: RunDir, tmp_path: Path, patches: int, rounds: int) -> None:
    config, out = cluster.Config(**SMALL, patches=patches), tmp_path / "out"
    opened(config, run_dir, out).lay_out()
    for number in range(1, rounds + 1):
        for units in (range(2, 4), range(2), range(1, 3)):
            work = opened(config, run_dir, out, workers=2)
            assert in_rounds(work) is work
            assert (work.round.number, work.round.of, work.units) == (number, rounds, 4)
            work.write(units)
            assert all((out / name).exists() for name in work.names(units))
        late = opened(config, run_dir, out)
        if not late.round.last:
            late.close_round()
            late.close_round()  # once more does no harm
    tree = opened(config, run_dir, out).finish()
    assert tree.of == 9 * 48
    assert tree.sizes.sum() == 9 * 48
    cluster.run(config, run_dir, Runtime())
    assert (run_dir.path("clusters") / TREE).read_bytes() == (out / TREE).read_bytes()
    run_dir.clear_progress("clusters")  # as when the stage is recorded
    assert sorted(path.name for path in run_dir.path("clusters").iterdir()) == ["SHA256SUMS", "clusters.npz", TREE]


def test_an_interrupted_attempt_goes_on_and_one_at_other_settings_does_not(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, partial = cluster.Config(**SMALL, patches=200), run_dir.root / "clusters.partial"
    opened(config, run_dir, partial).lay_out()
    work = opened(config, run_dir, partial)
    work.write(range(work.units))
    work.close_round()
    written = {path: path.stat().st_mtime_ns for path in partial.rglob("*.npz")}
    opened(config, run_dir, partial).write(range(3))
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing is done twice
    with monkeypatch.context() as patch:
        patch.setattr(TreeGrowth, "_cluster_sample", None)  # it is not looked for again
        cluster.run(config, run_dir, Runtime())
    first = (run_dir.path("clusters") / TREE).read_bytes()
    other = config.model_copy(update={"seed": 1})
    opened(other, run_dir, partial).lay_out()
    (run_dir.path("clusters") / TREE).unlink()
    assert not cluster.run(config, run_dir, Runtime()).cut_only
    assert (run_dir.path("clusters") / TREE).read_bytes() == first


def test_the_tree_that_is_there_is_taken(run_dir: RunDir, tmp_path: Path) -> None:
    config = cluster.Config(**SMALL, patches=200)
    cluster.run(config, run_dir, Runtime())
    out = tmp_path / "out"
    opened(config, run_dir, out).lay_out()
    work = opened(config, run_dir, out)
    assert (work.kept, work.units, work.names(range(0)), round_of(work).last) == (True, 0, [], True)
    np.testing.assert_array_equal(work.finish().centers, load_tree(run_dir.path("clusters") / TREE).centers)
