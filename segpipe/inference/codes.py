"""From the stored features of a crop to the vectors that clusters are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.ops.maps.smoothing import smooth
from segpipe.records.clusters import ClusterModel
from segpipe.store.checkpoints import load_tensors

if TYPE_CHECKING:
    from segpipe.nn.head import Head

Float32 = npt.NDArray[np.float32]


HEAD = "head.safetensors"
"""The file of a head."""


def open_head(folder: Path) -> Head:
    """The head that lies in a folder, in eval mode on the CPU.

    Raises:
        UsageError: it is missing or damaged.
    """
    from segpipe.nn.head import build_head

    tensors, meta = load_tensors(folder / HEAD)
    try:
        return build_head(tensors, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder / HEAD} is damaged or no head ({error}); make it again with `segpipe train`"
        ) from error


def encode(
    head: Head | None, model: ClusterModel, patches: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]
) -> Float32:
    """A crop's features as the clusters see them: codes, projected where the model projects, smoothed as it was fitted.

    Args:
        head: gives the codes; None for clusters of features.
        model: the clusters.
        patches: (rows, cols, d) features.
        valid: (rows, cols) patches that show image.

    Returns:
        (rows, cols, dim).
    """
    from segpipe.nn.head import codes

    return smooth(model.project(patches if head is None else codes(head, patches)), valid, model.smooth)
