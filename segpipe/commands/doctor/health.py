"""The health of a backbone on some images: `segpipe doctor --backbone`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.doctor import health_measures as measures
from segpipe.commands.doctor.block_features import BlockFeatures, classical_eye, cut_image, open_eye, see_all
from segpipe.commands.doctor.options import DoctorOptions
from segpipe.commands.doctor.verdict import highest_block, sentences
from segpipe.images.label_masks import photographs
from segpipe.images.listing import Listing, list_images
from segpipe.images.sources import ImageSource, SourceImage, VideoSource
from segpipe.images.transform import CropResize
from segpipe.images.video import is_video
from segpipe.nn.backbones import find_backbone
from segpipe.ops.clustering.neighbor_agreement import find_partners
from segpipe.ops.drawing.reef import reef_scene
from segpipe.ops.maps.crops import Cut
from segpipe.records.backbone_health import BackboneHealth, BlockHealth
from segpipe.records.corpus import Rejected

DRAWN = 24
"""Images that are drawn where none are given."""
QUERIES = 4000
"""Patches that are compared with a partner."""
_SIZE = Size(240, 320)


def backbone_health(options: DoctorOptions, runtime: Runtime) -> BackboneHealth:
    """Look at a sample of images with every block of a backbone.

    Args:
        options: `backbone` is given.
        runtime: device, workers and progress.

    Raises:
        UsageError: an unknown backbone, weights of another one, or no such images.
        CorpusError: fewer than two images can be used.
        MachineError: the weights are not at hand, or give no finite features.
    """
    assert options.backbone is not None
    row = find_backbone(options.backbone)
    eye = open_eye(row, options.weights, runtime)
    patch = row.patch if eye is None else eye.patch
    cuts, rejected = _cuts(options, runtime, patch)
    eye = eye or classical_eye(row, cuts, runtime)
    found = see_all(eye, cuts, runtime, seed=options.seed)
    blocks = measure_blocks(eye.blocks, found, seed=options.seed)
    last = measures.unit_codes(found.blocks[-1], whiten=True)
    fixed = measures.fixed_classes(last, found.places, found.images, seed=options.seed)
    drawn = options.images is None
    return BackboneHealth(
        row.name, eye.weights, len(cuts), len(found.images), drawn, eye.depth, blocks,
        highest_block(blocks), sentences(blocks, drawn=drawn, fixed=fixed), tuple(rejected),
    )  # fmt: skip


def _cuts(options: DoctorOptions, runtime: Runtime, patch: int) -> tuple[list[Cut], list[Rejected]]:
    """The images as the network sees them, and what cannot be used."""
    cuts: list[Cut] = []
    rejected: list[Rejected] = []
    for image in _images(options, runtime):
        if isinstance(image, Rejected):
            rejected.append(image)
            continue
        item = cut_image(image, side=options.input_size, patch=patch, row=len(cuts))
        if item.valid.any():
            cuts.append(item)
        else:
            rejected.append(Rejected(image.name, "no patch shows image"))
    if len(cuts) < 2:
        reasons = "".join(f"; {item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(
            f"{options.images}: {len(cuts)} images can be used, and patches of different images are compared; "
            f"give at least 2{reasons}"
        )
    return cuts, rejected


def _images(options: DoctorOptions, runtime: Runtime) -> Iterator[SourceImage | Rejected]:
    """At most so many images, spread evenly, or why one is left out; drawn ones where none are given."""
    most = options.max_images
    if options.images is None:
        for i, rng in enumerate(np.random.default_rng(options.seed).spawn(min(DRAWN, most))):
            yield SourceImage(f"reef {i:02}", reef_scene(rng, _SIZE)[0], None)
        return
    path = Path(options.images).expanduser()
    if is_video(path) and path.is_file():
        yield from runtime.track(VideoSource(path, CropResize()).sample(most), total=most, unit="frames read")
        return
    listing = photographs(list_images(options.images))
    yield from listing.rejected
    count = len(listing.paths)
    chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    some = Listing(listing.root, tuple(listing.paths[i] for i in chosen), ())
    source = ImageSource(some, CropResize(), workers=runtime.workers)
    yield from runtime.track(source, total=len(source), unit="images read")


def measure_blocks(blocks: tuple[int, ...], found: BlockFeatures, *, seed: int) -> tuple[BlockHealth, ...]:
    """Every measure of every block.

    Partners of patches are the same for all blocks: the nearest patch in another image, by the mean of their cosines.

    Args:
        blocks: their numbers.
        found: their features.
        seed: of the patches that get a partner, and of k-means.
    """
    count = len(found.images)
    queries = np.sort(np.random.default_rng(seed).choice(count, min(count, QUERIES), replace=False))
    codes = [measures.unit_codes(features, whiten=True) for features in found.blocks]
    partners = find_partners(np.concatenate(codes, axis=1), queries, found.images)
    rows = []
    for i, block in enumerate(blocks):
        features = found.blocks[i].astype(np.float32)
        first, first8 = measures.variance_shares(features, (1, 8))
        position = measures.position_share(features, found.places, found.images)
        outliers = None if found.norms is None else measures.outlier_share(found.norms[i])
        agreement = measures.class_agreement(codes[i], queries, partners, seed=seed)
        rows.append(BlockHealth(block, first, first8, position, outliers, agreement))
    return tuple(rows)
