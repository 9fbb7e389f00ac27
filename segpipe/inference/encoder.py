"""The frozen backbone of a run, opened from what its feature store says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.parallel import thread_map, torch_alone
from segpipe.base.runtime import Runtime
from segpipe.inference.band_views import describe_views
from segpipe.nn.backbones import find_backbone, load_network
from segpipe.records.codec import Codec
from segpipe.records.features import FeatureHeader
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.features import stored_codec

if TYPE_CHECKING:
    from segpipe.nn import classical

WHITENING = "whitening.safetensors"
"""The file of the classical features' whitening."""
_CPU_BATCH = 4
_GPU_LANES = 2  # one computes while the other's results are taken off

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Describe = Callable[[Bytes], tuple[Float32, Float32 | None]]
"""Crops of one size to patches (B, rows, cols, d) and CLS vectors (B, d), if the network has CLS.

Crops are (B, H, W, 3), or have all channels of images that are more than red, green and blue.
"""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A backbone ready to describe crops."""

    describe: Describe
    patch: int
    dim: int
    weights: str
    """Where the weights come from, with what identifies them."""
    has_cls: bool = False
    precision: str = "float32"
    """Number type the network computes in."""
    lanes: int = 1
    """Batches to describe side by side, from as many threads."""
    most: int = 2**31
    """Crops of a batch above which nothing is gained."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While lanes run side by side each computes in one thread, so that none waits at another's barriers."""
        if self.lanes == 1:
            yield
            return
        with torch_alone():
            yield


def open_encoder(header: FeatureHeader, folder: Path, runtime: Runtime) -> Encoder:
    """Load the backbone that a header names; `patch`, `dim` and `source` of the header are not looked at.

    Args:
        header: backbone, weights, facet, blocks, norm, precision, positions, channels and views.
        folder: where the store lies, and beside it the whitening of the classical features.
        runtime: device and workers.

    Raises:
        UsageError: settings that this backbone does not have, or the weights are of another network.
        MachineError: the weights are not at hand.
    """
    row = find_backbone(header.backbone)
    if row.kind == "classical":
        return _open_classical(folder, runtime)
    from segpipe.nn.network import open_network

    weights = Path(header.weights) if header.weights else None
    inputs = 3 if header.views or not header.channels else len(header.channels)
    model, source = load_network(row, weights=weights, positions=header.positions, inputs=inputs)
    facet: Any = header.facet
    precision: Any = header.precision
    network = open_network(
        row,
        model,
        device=runtime.device,
        facet=facet,
        blocks=header.blocks,
        norm=header.norm,
        precision=precision,
    )
    if header.weights:
        source = f"{source} sha256:{files.sha256(Path(header.weights))[:16]}"
    # measured on a CPU: batches of 1 to 32 are equally fast, so small ones, that leave caches and memory to others
    lanes, most = (runtime.workers, _CPU_BATCH) if network.device.type == "cpu" else (_GPU_LANES, 2**31)
    encoder = Encoder(
        network, network.patch, network.dim, source, network.has_cls, header.precision, lanes=lanes, most=most
    )
    if not header.views:
        return encoder
    describe = partial(describe_views, network, header.views)
    return replace(encoder, describe=describe, dim=network.dim * len(header.views))


def reopen_encoder(header: FeatureHeader, folder: Path, runtime: Runtime) -> Encoder:
    """Load the very backbone that a store was filled with; features come as they would come back from that store.

    Raises:
        UsageError: the store does not say which one that was, or the weights are others now; or as `open_encoder`.
        MachineError: the weights are not at hand.
    """
    if not header.source:
        raise UsageError(
            f"{folder} was made by an earlier version and does not name its network's weights; make it again with "
            "`segpipe extract RUN --force`"
        )
    encoder = open_encoder(header, folder, runtime)
    if encoder.weights != header.source:
        raise UsageError(
            f"{folder} was made with the weights {header.source}, found are {encoder.weights}; put the old ones back, "
            "or run `segpipe extract` again"
        )
    return round_trip(encoder, stored_codec(folder) if header.codec != "float16" else None)


def round_trip(encoder: Encoder, codec: Codec | None) -> Encoder:
    """The same encoder, whose features come as they would come back from a store packed so."""
    return encoder if codec is None else replace(encoder, describe=partial(_round_trip, encoder.describe, codec))


def _round_trip(describe: Describe, codec: Codec, images: Bytes) -> tuple[Float32, Float32 | None]:
    patches, cls = describe(images)
    return np.stack([codec.round_trip(each) for each in patches]), cls


def has_whitening(folder: Path) -> bool:
    """Whether the classical features' whitening was saved here."""
    return (folder / WHITENING).exists()


def save_whitening(whitening: classical.Whitening, folder: Path) -> None:
    """Write the classical features' whitening, for `open_encoder`."""
    import torch

    from segpipe.nn import classical

    tensors = {"mean": torch.from_numpy(whitening.mean), "projection": torch.from_numpy(whitening.projection)}
    save_tensors(
        folder / WHITENING, tensors, {"groups": classical.groups_of(len(whitening.mean)), "patch": classical.PATCH}
    )


def _open_classical(folder: Path, runtime: Runtime) -> Encoder:
    from segpipe.nn import classical

    tensors, _ = load_tensors(folder / WHITENING)
    try:
        whitening = classical.Whitening(tensors["mean"].numpy(), tensors["projection"].numpy())
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder / WHITENING} is damaged ({error}); make it again with `segpipe extract RUN --force`"
        ) from error

    def describe(images: Bytes) -> tuple[Float32, None]:
        each = partial(classical.describe, whitening=whitening)
        found = thread_map(each, images, workers=runtime.workers, ahead=2 * runtime.workers)
        return np.stack(list(found)), None

    return Encoder(describe, classical.PATCH, whitening.dim, "embedded")


@contextmanager
def single_threaded(encoder: Encoder) -> Iterator[None]:
    """Every image is worked on in one thread: threads share the processors by images."""
    before = cv2.getNumThreads()
    with encoder.alone(), threadpool_limits(1):
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            cv2.setNumThreads(before)
