"""Features of several blocks of a backbone, each image seen once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import MachineError, UsageError, named
from segpipe.base.geometry import Box, plan_grid
from segpipe.base.parallel import thread_map, torch_alone
from segpipe.base.runtime import Runtime
from segpipe.images.sources import SourceImage
from segpipe.nn.backbones import Backbone, load_network
from segpipe.ops.maps.crops import Cut, cut

MOST_BLOCKS = 12
"""Blocks that are looked at; of deeper networks every second, third and so on, counted from the last."""
PATCHES = 300
"""Patches of an image that are looked at."""
_GPU_LANES = 2  # one computes while the other's results are taken off

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Seen = tuple[list[Float32], list[Float32] | None]
"""Of one image, by block: features (rows, cols, d), and norms (rows, cols) of the tokens where there are tokens."""


@dataclass(frozen=True, slots=True)
class Eye:
    """A backbone that sees several of its blocks at once."""

    see: Callable[[npt.NDArray[np.uint8]], Seen]
    """From an image (patch * rows, patch * cols, 3)."""
    blocks: tuple[int, ...]
    depth: int
    patch: int
    weights: str
    """Where they come from."""
    device: str
    lanes: int
    """Images to see side by side."""


@dataclass(frozen=True, slots=True)
class BlockFeatures:
    """A sample of patches of all images, seen by every block."""

    blocks: tuple[Float16, ...]
    """(m, d) each."""
    norms: tuple[Float32, ...] | None
    """(m,) each, before the final norm; None where there are no tokens."""
    places: npt.NDArray[np.float64]
    """(m, 2) row and column, 0 = upper or left edge of the image, 1 = lower or right edge."""
    images: npt.NDArray[np.int64]
    """(m,) image of each."""


def shown_blocks(depth: int) -> tuple[int, ...]:
    """The blocks that are looked at: all of twelve, else every second, third and so on, the last one always.

    >>> shown_blocks(24)
    (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23)
    """
    step = -(-depth // MOST_BLOCKS)
    return tuple(range(depth - 1, -1, -step))[::-1]


def open_eye(row: Backbone, weights: Path | None, runtime: Runtime) -> Eye | None:
    """Load a network; None for `classical`, which is fitted to images instead (`classical_eye`).

    Raises:
        UsageError: weights of another network, or for a backbone that takes none.
        MachineError: the weights are not at hand.
    """
    if row.kind == "classical":
        if weights is not None:
            raise UsageError(f"{named('extract.backbone', 'classical')} takes no weights; leave out {weights}")
        return None
    from segpipe.nn.network import open_network

    model, source = load_network(row, weights=weights)
    vit = row.kind == "vit"
    blocks = shown_blocks(row.depth) if vit else (row.depth - 1,)
    network = open_network(
        row, model, device=runtime.device, facet="token", blocks=blocks, norm=False, precision="float32"
    )

    def see(image: npt.NDArray[np.uint8]) -> Seen:
        patches, _ = network(image[None])
        if not vit:
            return [patches[0]], None
        tokens = [np.ascontiguousarray(part) for part in np.split(patches[0], len(blocks), axis=-1)]
        return [_normed(network.model, part, runtime.device) for part in tokens], [
            np.linalg.norm(part, axis=-1) for part in tokens
        ]

    lanes = runtime.workers if runtime.device == "cpu" else _GPU_LANES
    return Eye(see, blocks, row.depth, network.patch, source, runtime.device, lanes)


def _normed(model: Any, tokens: Float32, device: str) -> Float32:
    """Tokens as `extract` stores them: every block's pass the network's final norm."""
    import torch

    with torch.inference_mode():
        found: Float32 = model.norm(torch.from_numpy(tokens).to(device)).float().cpu().numpy()
    return found


def classical_eye(row: Backbone, cuts: Sequence[Cut], runtime: Runtime) -> Eye:
    """The classical features, whitened over all patches of these images."""
    from segpipe.nn import classical

    def raw(item: Cut) -> Float32:
        return classical.raw_features(item.rgb)[item.valid]

    whitening = classical.fit_whitening(thread_map(raw, cuts, workers=runtime.workers, ahead=2 * runtime.workers))

    def see(image: npt.NDArray[np.uint8]) -> Seen:
        return [classical.describe(image, whitening)], None

    return Eye(see, (0,), 1, row.patch, "embedded", "cpu", runtime.workers)


def cut_image(image: SourceImage, *, side: int, patch: int, row: int) -> Cut:
    """An image as `extract` shows it to a network."""
    whole = Box(0, 0, image.size.height, image.size.width)
    return cut(image.rgb, image.valid, whole, plan_grid(image.size, side=side, patch=patch), row=row, flip=False)


def see_all(eye: Eye, cuts: Sequence[Cut], runtime: Runtime, *, seed: int) -> BlockFeatures:
    """See every image once, and keep a seeded sample of its patches.

    Raises:
        MachineError: a feature is not a finite number.
    """

    def one(item: Cut) -> tuple[list[Float16], list[Float32] | None, npt.NDArray[np.float64]]:
        patches, norms = eye.see(item.rgb)
        rows, cols = np.nonzero(item.valid)
        rng = np.random.default_rng((seed, item.row))
        kept = np.sort(rng.choice(len(rows), min(len(rows), PATCHES), replace=False))
        rows, cols = rows[kept], cols[kept]
        with np.errstate(over="ignore"):  # found below
            features = [part[rows, cols].astype(np.float16) for part in patches]
        if not all(bool(np.isfinite(part).all()) for part in features):
            raise MachineError(
                "the backbone's features are not finite, or too large for 16 bits; check that "
                f"{named('extract.weights')} is a file of this network"
            )
        places = (np.stack([rows, cols], axis=1) + 0.5) / item.valid.shape
        return features, None if norms is None else [part[rows, cols] for part in norms], places

    with _threads(eye):
        done = thread_map(one, cuts, workers=eye.lanes, ahead=eye.lanes)
        found = list(runtime.track(done, total=len(cuts), unit="images"))
    norms = [each[1] for each in found if each[1] is not None]
    return BlockFeatures(
        tuple(np.concatenate([each[0][i] for each in found]) for i in range(len(eye.blocks))),
        tuple(np.concatenate([each[i] for each in norms]) for i in range(len(eye.blocks))) if norms else None,
        np.concatenate([each[2] for each in found]),
        np.repeat(np.arange(len(found)), [len(each[2]) for each in found]),
    )


@contextmanager
def _threads(eye: Eye) -> Iterator[None]:
    """Images are seen side by side, each by one thread."""
    with threadpool_limits(1), torch_alone() if eye.device == "cpu" else nullcontext():
        yield
