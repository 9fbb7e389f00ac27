"""A drawn reef whose labels are known, steered by points of two of its classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.cli.entry import run_cli
from segpipe.pipeline import open_run
from segpipe.stages.cluster import Config
from segpipe.store.class_names import open_legend
from segpipe.store.clusters import load_clusters
from segpipe.store.guide import open_guide
from segpipe.store.masks import load_index, read_part
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import reef_run

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def write_points(root: Path, classes: tuple[str, ...], *, each: int = 12) -> Path:
    """Points of some classes in all images of the reef, drawn from its label maps."""
    names = (root / "classes.txt").read_text().split()
    rng, lines = np.random.default_rng(0), ["image,row,column,label"]
    for path in sorted((root / "labels").glob("*.png")):
        labels = np.asarray(Pillow.open(path))
        for name in classes:
            places = np.argwhere(labels == names.index(name))
            lines += [
                f"{path.stem},{y},{x},{name}" for y, x in rng.permutation(places)[:each].tolist()
            ]  # of a class that the image does not hold: none
    file = root / "points.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, Path, tuple[str, ...]]:
    root = tmp_path_factory.mktemp("reef")
    settings = {"cluster.k": 6, "train.whiten": 8}  # so that another number of classes cuts the same tree
    run_dir = reef_run(root, images=6, settings=settings)
    names = tuple((root / "classes.txt").read_text().split())[:2]
    return run_dir, write_points(root, names), names


def agreement(run_dir: RunDir, root: Path, names: tuple[str, ...]) -> float:
    """Share of the pixels of some classes that the map calls by their names."""
    known, legend = (root / "classes.txt").read_text().split(), open_legend(run_dir, 6)
    right = total = 0
    for entry in load_index(run_dir.path("masks")):
        labels = np.asarray(Pillow.open(root / "labels" / f"{entry['id']}.png"))
        found = np.array(legend.names)[read_part(run_dir.path("masks"), entry)]
        of_names = np.isin(labels, [known.index(name) for name in names])
        right += int((found == np.array(known)[np.minimum(labels, len(known) - 1)])[of_names].sum())
        total += int(of_names.sum())
    return right / total


def test_points_outside_are_left_out_where_asked(reef: tuple[RunDir, Path, tuple[str, ...]], tmp_path: Path) -> None:
    run_dir, points, names = reef
    count = len(points.read_text().splitlines()) - 1
    image = points.read_text().splitlines()[1].split(",")[0]
    file = tmp_path / "points.csv"
    file.write_text(f"{points.read_text()}{image},99999,3,{names[0]}\n")
    with pytest.raises(UsageError, match=r"1 of \d+ points lies outside: .*skip_outside"):
        segpipe.cluster(run_dir.root, settings={"cluster.guide": str(file)})
    said = segpipe.cluster(run_dir.root, settings={"cluster.guide": str(file), "cluster.skip_outside": True})
    assert said["guided"] == f"guided by {count} points of 2 labels in 5 images"
    segpipe.cluster(run_dir.root, settings={"cluster.guide": None, "cluster.skip_outside": False})


def test_points_name_their_classes_and_nothing_else_is_lost(reef: tuple[RunDir, Path, tuple[str, ...]]) -> None:
    run_dir, points, names = reef
    before = (run_dir.path("clusters") / "clusters.npz").read_bytes()
    tree = (run_dir.path("clusters") / "tree.npz").read_bytes()
    said = segpipe.cluster(run_dir.root, settings={"cluster.guide": str(points)})
    assert said["method"] == "guided"
    count = len(points.read_text().splitlines()) - 1
    assert said["guided"] == f"guided by {count} points of 2 labels in 5 images"  # one holds neither
    assert said["cut_only"]
    assert (run_dir.path("clusters") / "tree.npz").read_bytes() == tree  # points do not touch what they steer
    steered = load_clusters(run_dir.path("clusters") / "clusters.npz")
    assert steered.clusters == 6
    guide = open_guide(run_dir)
    assert guide is not None
    assert sorted(name for name in guide.names if name) == sorted(names)
    assert guide.names.count("") == 4  # things without a label stay classes of their own
    segpipe.refine(run_dir.root)
    legend = open_legend(run_dir, 6)
    assert {name for name in legend.names if not name.startswith("class ")} == set(names)
    assert agreement(run_dir, points.parent, names) > 0.5  # by chance a sixth
    first = (run_dir.path("clusters") / "clusters.npz").read_bytes()
    segpipe.cluster(run_dir.root, force=True)
    assert (run_dir.path("clusters") / "clusters.npz").read_bytes() == first
    said = segpipe.cluster(run_dir.root, settings={"cluster.guide": None})
    assert said["guided"] is None
    assert (run_dir.path("clusters") / "clusters.npz").read_bytes() == before
    assert open_guide(run_dir) is None


def test_scores_say_that_points_steered_and_leave_their_images_out(
    reef: tuple[RunDir, Path, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir, points, _ = reef
    root, labels = run_dir.root, points.parent / "labels"
    segpipe.cluster(root, settings={"cluster.guide": str(points)})
    segpipe.refine(root)
    assert run_cli(["evaluate", str(root), "--labels", str(points), "-q"]) == 2
    assert "points cannot judge what they steered" in " ".join(capsys.readouterr().err.split())
    segpipe.cluster(root, settings={"cluster.guide": str(points), "cluster.hold_out": 0.5})
    segpipe.refine(root)
    guide = open_guide(run_dir)
    assert guide is not None
    assert (len(guide.images), guide.held_out) == (3, 2)
    assert run_cli(["evaluate", str(root), "--labels", str(labels)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "guided by" in shown
    scores = json.loads((root / "scores" / "scores.json").read_text())
    assert (scores["images"], scores["guide_images"]) == (3, 3)
    assert scores["guided"] == guide.told
    judged = {json.loads(line)["id"] for line in (root / "scores" / "images.jsonl").read_text().splitlines()}
    assert not judged & set(guide.images)
    segpipe.report(root)
    assert guide.told in (root / "report" / "index.html").read_text("utf-8")
    bundle, images = root.parent / "steered.segpipe", root.parent / "images"
    assert run_cli(["bundle", str(root), str(bundle)]) == 0
    assert run_cli(["apply", str(bundle), str(images), str(root.parent / "maps")]) == 0
    assert guide.told in " ".join(capsys.readouterr().out.split())
    assert {name for name in guide.names if name} <= {entry["name"] for entry in segpipe.name(root).values()}
    (root / "classes.yaml").unlink()


def test_a_folder_of_label_maps_steers_too(reef: tuple[RunDir, Path, tuple[str, ...]]) -> None:
    run_dir, points, _ = reef
    maps, names = points.parent / "labels", points.parent / "classes.txt"
    settings = {"cluster.guide": str(maps), "cluster.guide_classes": str(names), "cluster.k": 12}
    segpipe.cluster(run_dir.root, settings=settings)
    guide = open_guide(run_dir)
    assert guide is not None
    assert set(guide.labels) <= set(names.read_text().split())
    assert 0 < guide.points <= 6 * 256


def test_what_cannot_steer(reef: tuple[RunDir, Path, tuple[str, ...]], tmp_path: Path) -> None:
    run_dir, points, _ = reef
    clear = {"cluster.guide_classes": None, "cluster.k": 6, "cluster.hold_out": 0.0}

    def refused(**settings: object) -> str:
        given = {f"cluster.{name}": value for name, value in settings.items()}
        with pytest.raises((UsageError, CorpusError)) as caught:
            segpipe.cluster(run_dir.root, settings=clear | given)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "points of 2 labels" in refused(guide=str(points), k=1)
    assert "points steer the cut of the tree alone" in refused(guide=str(points), method="kmeans")
    assert "points steer the cut of the tree alone" in refused(guide=str(points), method="auto", primaps=5)
    assert "no such file" in refused(guide=str(tmp_path / "none.csv"), primaps=0)
    assert "nothing steers" in refused(guide=None, hold_out=0.5)
    one = tmp_path / "one.csv"
    one.write_text("\n".join(points.read_text().splitlines()[:3]) + "\n")
    assert "none would be left to steer" in refused(guide=str(one), hold_out=0.5)
    segpipe.cluster(run_dir.root, settings=clear | {"cluster.guide": None})
    assert open_run(run_dir.root).manifest().stages["cluster"].summary["guided"] is None


def test_without_a_guide_the_key_is_that_of_earlier_versions() -> None:
    assert not {"guide", "guide_classes", "hold_out"} & Config().identity().keys()
    assert Config(guide=Path("/p.csv"), hold_out=0.5).identity()["hold_out"] == 0.5
