"""Refine: a class for every pixel of every image, at the image's own size.

Reads  corpus/    the images and where their crops lie
       features/  patch features of every crop
       head/      the head that turns features into codes
       clusters/  the centers of the classes
       splits.npz which clusters `segpipe name --split` has cut further
Writes masks/     one index PNG per image, or per tile of a mosaic; pixel counts, header; where wanted, how sure
                  every pixel is

Masks that are there and differ by splits alone are taken as the start: only pixels of split clusters are classified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from segpipe.base import files, parallel
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.guarded import Guards
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import open_head
from segpipe.inference.inputs import SegmentInputs, image_crops, refine_tile, split_tile, tile_paths
from segpipe.inference.known_masks import mask_keys, take_masks
from segpipe.inference.reuse_masks import ReusableMasks, find_reusable, save_made
from segpipe.inference.segmenter import tile_side
from segpipe.ops.crf.dense_crf import prepare
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.palette import nodata
from segpipe.stages.refine.refine_settings import Config as Config
from segpipe.stages.refine.refine_settings import segment_config
from segpipe.stages.refine.tally import Summary, Tally
from segpipe.stages.refine.threads import take_one_thread, threads_restored
from segpipe.store import masks
from segpipe.store.certainty import (
    FOLDER,
    certainty_names,
    describe_certainty,
    join_certainty,
    read_certainty,
    write_certainty,
)
from segpipe.store.clusters import SPLITS, load_splits, open_clusters, whole_clustering
from segpipe.store.corpus import count_corpus, load_corpus
from segpipe.store.crop_keys import MASK_KEYS, save_keys
from segpipe.store.features import FeatureStore
from segpipe.store.mask_lines import FOLDER as LINES
from segpipe.store.mask_lines import join_lines, lines_name, load_lines, save_lines
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing, closed_after
from segpipe.store.unit_spans import gaps_between, spans_of

NAME = "refine"
ARTEFACT = "masks"
NEEDS = ("index", "extract", "train", "cluster")
PROGRESS = LINES
USER_FILES = (SPLITS,)
FORMAT = 2
FILES = {
    "*.png": (
        "a mask per image at its own size, under the image's id: value = cluster, 255 = no data (above 255 "
        "clusters 16 bits, 65535)"
    ),
    "*.tiles/*.png": "the mask of a mosaic in tiles named `<top>_<left>.png`",
    "certainty/*": "`margin/` and `entropy/`, with `refine.certainty=true`: 0 to 1 as 0 to 255",
    "index.jsonl": "a mask a line: `id`, `file`, `height`, `width`, `pixels` of every cluster, `nodata`",
    "header.json": (
        "number of classes, the no-data value, canvas and CRF settings; of a preview `preview_of`, the number of images"
    ),
    MASK_KEYS: "of every image a fingerprint of what its mask was made from, by which a later `refine` knows it again",
    "made.npz": "of which clusters the masks were made, and which splits they hold",
}

log = logging.getLogger(__name__)


def open_inputs(
    run_dir: RunDir, clusters: ClusterModel, config: SegmentConfig, reusable: ReusableMasks | None = None
) -> SegmentInputs:
    """Open everything that refining takes.

    Args:
        run_dir: a run up to `cluster`.
        clusters: of the run.
        config: made of these clusters.
        reusable: masks to start from.

    Raises:
        UsageError: mirrored features are wanted and were not extracted, or an artefact is damaged.
    """
    features = FeatureStore(run_dir.path("features"))
    if config.flip and not features.header.flipped:
        raise UsageError(
            f"refine.flip=true averages with mirrored features and {run_dir.path('features')} holds none; "
            "set extract.flip=true, or refine.flip=false"
        )
    corpus, head = load_corpus(run_dir.path("corpus")), open_head(run_dir.path("head"))
    return SegmentInputs(corpus, features, head, clusters, config, reusable)


_worker: tuple[SegmentInputs, Path] | None = None  # of this worker process, set by `_start` alone


def _start(opened: Callable[[], SegmentInputs], out: Path) -> None:
    global _worker
    take_one_thread()
    _worker = opened(), out


def _refine_one(item: tuple[int, Box]) -> dict[str, Any]:
    """Write one tile unless an interrupted attempt left it (files appear whole); return its line of the index."""
    assert _worker is not None
    (inputs, out), (index, tile) = _worker, item
    image, classes = inputs.corpus.images[index], inputs.clusters.clusters
    path, places = tile_paths(inputs, out, index, tile)
    if path.exists():
        mask = masks.read_mask(path)
        maps = [read_certainty(place) for place in places]
    else:
        mask, made = (refine_tile if inputs.reusable is None else split_tile)(inputs, index, tile)
        maps = list(made or ())
        for place, values in zip(places, maps, strict=True):
            write_certainty(place, values)
        masks.write_mask(path, mask, classes=classes)  # the last file: where it is, all are
    line = masks.describe_mask(image.id, mask, classes=classes)
    return line | (describe_certainty(mask, *maps, classes=classes) if maps else {})


def _refine_all(
    run_dir: RunDir,
    inputs: SegmentInputs,
    out: Path,
    images: Sequence[int],
    runtime: Runtime,
    team: Callable[[], Guards],
) -> list[dict[str, Any]]:
    """Write the masks of some images that are not there yet; returns their lines of the index.

    Workers share the processors by tiles; where there are fewer tiles than workers, each gets several threads. Masks
    that are there already change in less time than processes take to start: threads of this one do that. `team`: as
    many processes as there are workers, which stay.
    """
    corpus, header, config = inputs.corpus, inputs.features.header, inputs.config
    sides = [tile_side(image_crops(corpus, header, i), config) for i in images]
    items = [(i, t) for i, side in zip(images, sides, strict=True) for t in mask_tiles(corpus.images[i].size, side)]
    with threads_restored():
        workers = max(1, min(runtime.workers, len(items)))
        config = replace(config, threads=max(1, runtime.workers // workers))
        opened = partial(open_inputs, run_dir, inputs.clusters, config, inputs.reusable)
        if inputs.reusable is not None:
            _start(opened, out)
            refined = parallel.thread_map(_refine_one, items, workers=workers, ahead=4 * workers)
        else:
            if config.crf and workers > 1:
                for classes in inputs.clusters.softmax_sizes:
                    prepare(classes)
            refined = parallel.process_map(
                _refine_one,
                items,
                workers=workers,
                initializer=_start,
                arguments=(opened, out),
                processes=team() if workers > 1 and workers == runtime.workers else None,
            )
        unit = "images" if len(items) == len(sides) else "tiles of images"
        entries = list(runtime.track(refined, total=len(items), unit=unit))
    lines = []
    by_image = groupby(zip(items, entries, strict=True), key=lambda pair: pair[0][0])
    for side, (index, group) in zip(sides, by_image, strict=True):
        own = [entry for _, entry in group]
        if side is None:
            lines.append(own[0])
            continue
        line = masks.join_tiles(corpus.images[index].size, side, own)
        lines.append(line | (join_certainty(own) if config.certainty else {}))
    return lines


def _header(config: SegmentConfig, preview_of: int | None) -> dict[str, Any]:
    return {
        "classes": config.classes,
        "nodata": nodata(config.classes),
        **config.header,
        **({"certainty": True} if config.certainty else {}),
        **({} if preview_of is None else {"preview_of": preview_of}),
    }


def _refuse_certainty_folder(corpus: Corpus) -> None:
    """Refuse ids whose masks would lie where the certainty of others lies."""
    inside = next((image for image in corpus.images if image.id.startswith(f"{FOLDER}/")), None)
    if inside is not None:
        raise UsageError(
            f"refine.certainty=true writes into a folder {FOLDER}/, which is also that of the image {inside.path}; "
            "rename the images' folder"
        )


def origin_of(config: Config, run_dir: RunDir) -> str:
    """What masks depend on but for splits."""
    stages = run_dir.manifest().stages
    inputs = {name: stages[name].artefact for name in NEEDS if name in stages}
    return files.digest({"format": FORMAT, "settings": config.identity(), "inputs": inputs})


def _tell_splits(run_dir: RunDir, reusable: ReusableMasks | None) -> None:
    path = run_dir.root / SPLITS
    if path.exists() and load_splits(path)[0] != whole_clustering(run_dir):
        log.warning(
            "%s splits clusters that this run no longer has: no cluster is split; `segpipe name %s --split` splits "
            "those there are",
            *(path, run_dir.root),
        )
    if reusable is not None:
        log.info("masks of these clusters are there: only pixels of clusters that were split or joined change")


def cost(config: Config, work: Work) -> Cost:
    """What `--dry-run` expects: mostly the CRF, on canvases of at most `side` pixels, for some 25 classes.

    Windows of a mosaic share a canvas where they overlap, and margins of tiles are 1.4 times what they surround.
    """
    canvases = work.images + 1.4 * work.mosaic_windows
    pixels = min((2.4 if work.mosaic_windows else 1) * work.megapixels * 1e6, canvases * config.canvas_size**2 * 0.75)
    per_pixel = 3e-6 + (3e-7 * config.crf_iterations if config.crf else 0)
    return Cost(8 + pixels * per_pixel / work.workers, work.megapixels * 4e4)


def _reusable(run_dir: RunDir, origin: str, clusters: ClusterModel) -> ReusableMasks | None:
    """The masks that are there, if they can be a start; damaged ones are made anew."""
    try:
        return find_reusable(run_dir.path(ARTEFACT), origin, clusters.splits) if run_dir.has(ARTEFACT) else None
    except MachineError as error:
        log.warning("%s", error)
        return None


class Refinement:
    """The masks of a run while they are made: laid out once, then written by one process or several.

    A unit is an image. What the index will say of a part's images lies beside their masks until all are there.
    """

    def __init__(self, config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> None:
        self._config, self._run_dir, self._out, self._runtime = config, run_dir, out, runtime

    @cached_property
    def units(self) -> int:
        """Images of the run."""
        return count_corpus(self._run_dir.path("corpus"))[0]

    @cached_property
    def _clusters(self) -> ClusterModel:
        return open_clusters(self._run_dir)

    @cached_property
    def _inputs(self) -> SegmentInputs:
        clusters = self._clusters
        reusable = _reusable(self._run_dir, origin_of(self._config, self._run_dir), clusters)
        _tell_splits(self._run_dir, reusable)
        # what is wrong is said here, not in a worker
        inputs = open_inputs(self._run_dir, clusters, segment_config(self._config, clusters), reusable)
        if not any(image.moment for image in inputs.corpus.images):
            inputs = replace(inputs, config=replace(inputs.config, steady=0))  # masks do not claim what was not done
        if self._config.certainty:
            _refuse_certainty_folder(inputs.corpus)
        return inputs

    @cached_property
    def _team(self) -> Guards:
        """Processes that refine, one for every worker; they serve all parts that this process does."""
        inputs = self._inputs
        opened = partial(
            open_inputs, self._run_dir, inputs.clusters, replace(inputs.config, threads=1), inputs.reusable
        )
        return Guards(None, partial(_start, opened, self._out))

    def close(self) -> None:
        """End the processes that were begun."""
        if "_team" in self.__dict__:
            self._team.close()

    def _refine(self, images: Sequence[int]) -> list[dict[str, Any]]:
        of = self._run_dir, self._inputs, self._out
        return _refine_all(*of, images, self._runtime, lambda: self._team)

    def lay_out(self) -> None:
        """Write what masks will say of themselves, and those that are known; the header comes last."""
        inputs, run_dir, out = self._inputs, self._run_dir, self._out
        keys = mask_keys(inputs, run_dir, {"format": FORMAT, **self._config.identity()})
        if inputs.reusable is None and (taken := take_masks(run_dir, keys, inputs, out)):
            log.info("refine   masks of %d of %d images are there", taken, len(keys))
        save_keys(keys, out / MASK_KEYS)
        made_of = run_dir.manifest().stages.get("index")
        masks.save_header(out, _header(inputs.config, made_of.summary.get("preview_of") if made_of else None))

    def write(self, units: range) -> None:
        """Write the masks of some images, and what the index will say of them."""
        if not load_lines(self._out, units) and len(units):
            save_lines(self._out, units, self._refine(units))

    def names(self, units: range) -> list[str]:
        """The files of some images, of those whose lines are there."""
        found = [lines_name(units)]
        for line in load_lines(self._out, units):
            found += masks.mask_names(line)
            found += certainty_names(line) if self._config.certainty else ()
        return found

    def finish(self) -> Summary:
        """Write the masks that nobody has written, and the index; lines of parts are read one part at a time."""
        out, known = self._out, spans_of(self._out / LINES, "jsonl", self.units)
        left = [image for gap in gaps_between(known, self.units) for image in gap]
        made = self._refine(left) if left else []
        tally = Tally(masks.load_header(out)["classes"], crf=self._config.crf)
        masks.save_index(out, tally.count(join_lines(out, known, made, self.units)))
        save_made(out, origin_of(self._config, self._run_dir), self._clusters.splits)
        return tally.summary()


SHARING = Sharing(Refinement, masks.has_header)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Refine the images of a run in several processes; the result does not depend on their number."""
    with run_dir.resuming(ARTEFACT) as out, closed_after(Refinement(config, run_dir, out, runtime)) as work:
        if not masks.has_header(out):
            work.lay_out()
        return work.finish()
