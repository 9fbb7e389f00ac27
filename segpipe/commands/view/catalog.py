"""Catalog of a run: what the page must know of it once, all images and the tree of the clusters among it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base.errors import SegpipeError
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.ops.clustering.linkage import cut
from segpipe.ops.gallery import assign_parts
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.palette import class_colors, hex_colors, nodata
from segpipe.store.class_names import CLASSES

Int64 = npt.NDArray[np.int64]
_MOST_CUTS, _COLORS, _NOTES = 64, 48, 20


def describe_run(run: OpenedRun, *, beside: bool) -> dict[str, Any]:
    """The answer to `/api/run`; what is missing or damaged is null or empty, with a note.

    Args:
        run: the run.
        beside: whether a second one is shown beside it.
    """
    notes = list[str]()
    found: dict[str, Any] = {
        "name": run.root.resolve().name,
        "root": str(run.root.resolve()),
        "beside": beside,
        "artefacts": run.artefacts,
        "notes": notes,
        "clusters": 0,
        "nodata": 255,
        "method": "",
        "classes_yaml": str((run.root / CLASSES).resolve()),
        "images": _no_images(),
        "palette": hex_colors(class_colors(_COLORS)),
        "tree": None,
    }
    for part in (_masks, _images, _tree, _method):
        try:
            found |= part(run, notes)
        except SegpipeError as error:
            if str(error) not in notes:
                notes.append(str(error))
    del notes[_NOTES:]
    return found


def _masks(run: OpenedRun, notes: list[str]) -> dict[str, Any]:
    clusters = run.mask_clusters
    return {"clusters": clusters, "nodata": nodata(clusters)}


def _no_images() -> dict[str, list[Any]]:
    names = ("id", "path", "height", "width", "site", "mosaic", "doubt", "pixels", "geo")
    return {name: [] for name in names}


def _images(run: OpenedRun, notes: list[str]) -> dict[str, Any]:
    """The images, column by column."""
    corpus, columns = run.corpus, _no_images()
    try:
        index: Mapping[str, Mapping[str, Any]] = run.mask_index
    except SegpipeError as error:
        index = {}
        notes.append(str(error))
    sites = sites_of(run)
    for image in corpus.images:
        entry = index.get(image.id, {"pixels": {}})
        columns["id"].append(image.id)
        columns["path"].append(image.path)
        columns["height"].append(image.size.height)
        columns["width"].append(image.size.width)
        columns["site"].append(sites.get(image.id))
        columns["mosaic"].append(image.mosaic)
        columns["doubt"].append(entry.get("entropy"))
        columns["pixels"].append([[int(k), count] for k, count in entry["pixels"].items()])
        columns["geo"].append(image.geo is not None)
    if index and len(index) < len(corpus.images):
        notes.append(f"{len(corpus.images) - len(index)} images have no mask yet; run `segpipe refine {run.root}`")
    return {"images": columns}


def sites_of(run: OpenedRun) -> dict[str, str]:
    """The site of every image by its id: as `cover` has them, else the folder; none where all lie in one."""
    cover = run.cover
    if cover is not None:
        found = {part.name: part.site for part in cover.images if part.site}
    else:
        folders = {image.id: PurePosixPath(image.path).parent.as_posix() for image in run.corpus.images}
        found = {name: folder for name, folder in folders.items() if folder != "."}
    return found if len(set(found.values())) > 1 else {}


def _method(run: OpenedRun, notes: list[str]) -> dict[str, Any]:
    stages = run.run_dir.manifest().stages
    for name in ("index", "extract", "train", "cluster", "refine"):
        artefact = pipeline.BY_NAME[name].ARTEFACT
        if not run.run_dir.has(artefact):
            what = f"{artefact}/ is gone" if name in stages else f"{name} has not been run yet"
            notes.append(f"{what}; `segpipe run IMAGES {run.root}` goes on")
    parts = []
    for stage, key in (("extract", "backbone"), ("train", "method"), ("cluster", "method")):
        record = stages.get(stage)
        value = None if record is None else record.summary.get(key) or record.parts.get("settings", {}).get(key)
        if value:
            parts.append(f"{stage} {value}")
    return {"method": ", ".join(parts)}


def _tree(run: OpenedRun, notes: list[str]) -> dict[str, Any]:
    tree, model = run.tree, run.clusters
    leaves = len(tree.centers)
    if leaves < 3:
        return {}
    now = current_clusters(tree, model)
    most = min(leaves, max(40, 2 * model.clusters), _MOST_CUTS)
    cuts = {k: keep_numbers(cut(tree.merges, k), now, tree.sizes, model.clusters) for k in range(2, most + 1)}
    agreement = _agreement(tree, cuts)
    return {
        "tree": {
            "k": model.clusters,
            "least": 2,
            "most": most,
            "leaves": leaves,
            "cuts": {str(k): classes.tolist() for k, classes in cuts.items()},
            "agreement": agreement,
        }
    }


def current_clusters(tree: ClusterTree, model: ClusterModel) -> Int64:
    """The cluster of the run that each leaf of the tree belongs to, (F,)."""
    centers, members = model.flat
    if np.array_equal(centers, tree.centers):
        return members
    return assign_parts(tree.centers, model)[0]


def keep_numbers(classes: Int64, now: Int64, sizes: Int64, clusters: int) -> Int64:
    """Number the classes of a cut so that colors stay.

    Args:
        classes: (F,) class of each leaf.
        now: (F,) the cluster that each leaf belongs to in the run.
        sizes: (F,) patches of each leaf.
        clusters: of the run.

    Returns:
        (F,) the largest class first takes the number of the cluster that most of its patches have, if that is free;
        others get numbers from `clusters`.
    """
    weight = Counter[tuple[int, int]]()
    total = Counter[int]()
    for own, other, size in zip(classes.tolist(), now.tolist(), sizes.tolist(), strict=True):
        weight[own, other] += size
        total[own] += size
    numbers: dict[int, int] = {}
    taken, fresh = set[int](), clusters
    for own, _ in total.most_common():
        shares = sorted(((size, -other) for (mine, other), size in weight.items() if mine == own), reverse=True)
        best = -shares[0][1]
        if best in taken:
            best, fresh = fresh, fresh + 1
        numbers[own] = best
        taken.add(best)
    return np.array([numbers[own] for own in classes.tolist()], np.int64)


def adjusted_rand(ours: Int64, theirs: Int64) -> float:
    """Adjusted Rand index of two labelings (n,) of the same things (Hubert and Arabie, 1985); 0 for a single class.

    As scikit-learn's, which takes a second and 60 MB to load.
    """
    if len(np.unique(ours)) < 2:
        return 0.0
    table = np.zeros((int(ours.max()) + 1, int(theirs.max()) + 1))
    np.add.at(table, (ours, theirs), 1)
    cells, rows, cols = (float((n * (n - 1) / 2).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0)))
    pairs = len(ours) * (len(ours) - 1) / 2
    chance = rows * cols / pairs
    return 1.0 if (rows + cols) / 2 == chance else (cells - chance) / ((rows + cols) / 2 - chance)


def _agreement(tree: ClusterTree, cuts: Mapping[int, Int64]) -> dict[str, float] | None:
    """How far patches that look alike come to one class of each cut: adjusted Rand index, 0 as by chance, 1 always."""
    if len(tree.queries) < 2:
        return None
    units = tree.smoothed.astype(np.float32)
    near = (units[np.concatenate([tree.queries, tree.partners])] @ tree.centers.T).argmax(axis=1)
    first, second = near[: len(tree.queries)], near[len(tree.queries) :]
    return {str(k): round(adjusted_rand(classes[first], classes[second]), 4) for k, classes in cuts.items()}
