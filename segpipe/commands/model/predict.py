"""Prediction on new images with a bundle: `segpipe apply`. Nothing is stored but the masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from segpipe.base import files
from segpipe.base.config import reasons
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.guarded import Guards
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.base.temporary import temporary_folder
from segpipe.images.crop_plan import corpus_of_one
from segpipe.images.label_masks import photographs
from segpipe.images.listing import Listing
from segpipe.images.validate import Item, expect_images, find_images
from segpipe.inference.codes import open_head
from segpipe.inference.encoder import WHITENING, Encoder, open_encoder, round_trip, single_threaded
from segpipe.inference.inputs import SegmentInputs, image_crops, refine_tile
from segpipe.inference.on_demand import LiveFeatures
from segpipe.inference.segmenter import tile_side
from segpipe.nn.backbones import find_backbone
from segpipe.ops.crf.dense_crf import prepare
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.bundle import Bundle
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Rejected
from segpipe.stages import index
from segpipe.stages.refine import refine_settings
from segpipe.store import bundle as store
from segpipe.store.clusters import load_clusters
from segpipe.store.masks import Mask

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """A bundle, opened."""

    bundle: Bundle
    fingerprint: str
    """SHA-256 of the file, hexadecimal."""
    encoder: Encoder
    head: Any
    clusters: ClusterModel
    device: str


@contextmanager
def open_model(path: Path, runtime: Runtime) -> Iterator[Model]:
    """Open a bundle for the time of a `with` block.

    Raises:
        UsageError: the file is missing, damaged or no bundle.
    """
    with temporary_folder() as folder:
        made = store.open_bundle(path, folder)
        fingerprint = files.sha256(path)
        _check_settings(made, path)
        header = replace(made.header, weights=_weights(made.header.backbone, folder, path))
        with _damage_of(path, folder):
            encoder = round_trip(open_encoder(header, folder, runtime), store.load_codec(folder / "codec.npz"))
            clusters, head = load_clusters(folder / "clusters.npz"), open_head(folder)
        yield Model(made, fingerprint, encoder, head, clusters, runtime.device)


@contextmanager
def _damage_of(path: Path, folder: Path) -> Iterator[None]:
    """Say of the bundle at `path` what is said of a part of it, which lies in `folder` for a moment only."""
    try:
        yield
    except UsageError as error:
        said = str(error).replace(f"{folder}/", "").partition("; ")[0]
        raise UsageError(f"{path} is damaged: {said}; make it again with `segpipe bundle`") from error


def _weights(backbone: str, folder: Path, path: Path) -> str:
    """The file of the network's weights, empty where it has none: a bundle without them never asks the hub."""
    name = WHITENING if find_backbone(backbone).kind == "classical" else store.BACKBONE
    if not (folder / name).is_file():
        raise UsageError(f"{path} is damaged: {name} is missing; make it again with `segpipe bundle`")
    return "" if name == WHITENING else str(folder / name)


def _check_settings(made: Bundle, path: Path) -> None:
    """A bundle is somebody's file: what a run would refuse is refused here, before it costs hours."""
    try:
        index.Config(**made.index)
        refine_settings.settings_of(made.refine)
    except ValidationError as error:
        problem = error.errors()[0]
        said = ": ".join([*map(str, problem["loc"]), reasons([problem])])
        raise UsageError(f"{path} is damaged: {said}; make it again with `segpipe bundle`") from error
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is damaged: its settings lack {error}; make it again with `segpipe bundle`"
        ) from error


def list_new(images: str, model: Model) -> Listing:
    """The files that IMAGES names; see `list_images`.

    Raises:
        UsageError: there are none.
    """
    return photographs(index.list_files(settings_of(model, images)))


def settings_of(model: Model, images: str = "", *, every: int = 0) -> index.Config:
    """The settings of `index` that the bundle was made with; of videos every n-th frame is taken, 0: one a second."""
    return index.Config(images=images, frame_step=every, **model.bundle.index)


@dataclass(frozen=True, slots=True)
class Segment:
    """What makes the mask of one image: clusters, as `refine` would give them."""

    inputs: SegmentInputs
    side: int | None
    """Of the tiles of a mosaic's mask; None for a photograph."""

    @property
    def tiles(self) -> list[Box]:
        """The boxes in which the mask is made; one, but for mosaics."""
        return mask_tiles(self.inputs.corpus.images[0].size, self.side)

    def tile(self, box: Box) -> Mask:
        """The mask (h, w) of one of the tiles.

        Raises:
            CorpusError: the file changes meanwhile.
            MachineError: the network's features of it are not finite.
        """
        return refine_tile(self.inputs, 0, box)[0]

    def whole(self) -> Mask:
        """The mask (H, W); raises as `tile`."""
        first, *rest = self.tiles
        size, mask = self.inputs.corpus.images[0].size, self.tile(first)
        if not rest:
            return mask
        out: Mask = np.empty((size.height, size.width), mask.dtype)
        out[first.slices] = mask
        for box in rest:
            out[box.slices] = self.tile(box)
        return out


OnResult = Callable[[Corpus, Segment], T]


def open_segment(model: Model, corpus: Corpus) -> Segment:
    """What segments the one image of a corpus."""
    features: Any = LiveFeatures(corpus, model.bundle.header, model.encoder)  # read as a FeatureStore is
    config = SegmentConfig.from_header(model.clusters, model.bundle.refine)
    crops = image_crops(corpus, model.bundle.header, 0)
    inputs = SegmentInputs(corpus, features, model.head, model.clusters, config)
    return Segment(inputs, tile_side(crops, config))


def apply(
    model: Model,
    listing: Listing,
    runtime: Runtime,
    on_result: OnResult[T],
    home: Path,
    *,
    every: int = 0,
    frames_stay: bool = False,
    ids: Sequence[str] | None = None,
) -> Iterator[T | Rejected]:
    """Segment images and frames of videos one after the other, several side by side, in the listing's order.

    On a processor every byte of a mask is what `segpipe run` writes for the same image: nothing depends on the images
    beside it, or on the number of threads.

    Args:
        model: of `open_model`.
        listing: the files.
        runtime: workers and progress; the device is the model's.
        on_result: what to make of an image (a corpus of one); given what makes its mask; called in several threads.
        home: an existing folder for frames and the valid pixels of mosaics.
        every: of videos every n-th frame is taken; 0: about one a second.
        frames_stay: whether frames lie in `home` longer than `on_result` works on them.
        ids: where the listing is a part of one, what its files are called in that.

    Yields:
        What `on_result` returns, or why a file was skipped.
    """
    yield from listing.rejected
    settings = settings_of(model, every=every)
    choice = index.choice_of(settings)
    limits = index.plan_of(settings).limits
    with Guards(limits.memory) as guards, single_threaded(model.encoder):
        read = partial(_read, model, settings, listing.root, home, guards)
        work = partial(_one, model, read, on_result, frames_stay)
        items = find_images(listing, choice, limits, guards, ids)
        if model.bundle.refine["crf"] is not None:
            for classes in model.clusters.softmax_sizes:
                prepare(classes)
        done = thread_map(work, items, workers=runtime.workers, ahead=runtime.workers + 1)
        yield from runtime.track(done, total=expect_images(listing, choice), unit="images")


def _read(
    model: Model, settings: index.Config, root: Path, home: Path, guards: Guards, item: Item | Rejected
) -> Corpus | Rejected:
    if isinstance(item, Rejected):
        return item
    return corpus_of_one(index.plan_of(settings), model.bundle.scaling, root, item, home, guards)


def _one(
    model: Model,
    read: Callable[[Item | Rejected], Corpus | Rejected],
    on_result: OnResult[T],
    frames_stay: bool,
    item: Item | Rejected,
) -> T | Rejected:
    corpus = read(item)
    if isinstance(corpus, Rejected):
        return corpus
    try:
        return on_result(corpus, open_segment(model, corpus))
    except CorpusError as error:
        return Rejected(corpus.images[0].path, str(error))
    finally:
        if corpus.images[0].moment and not frames_stay:
            corpus.path(corpus.images[0]).unlink(missing_ok=True)
