"""A network and its head as one ONNX graph."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError, named
from segpipe.nn import cnn, vit
from segpipe.nn.backbones import Backbone
from segpipe.nn.batching import normalize
from segpipe.nn.head import Head
from segpipe.records.features import FeatureHeader

_MAX_DIFF = 1e-3


class Graph(torch.nn.Module):
    """From 8-bit pixels to codes."""

    def __init__(self, row: Backbone, model: torch.nn.Module, head: Head, header: FeatureHeader) -> None:
        """Network and head must be in eval mode."""
        super().__init__()
        self.model, self.head, self.row, self.header = model, head, row, header
        self.plain = head.plain  # not asked in the graph, which knows no branches
        for name, values in zip(("shift", "spread"), row.norm, strict=True):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) uint8 to (B, rows, cols, dim) float32."""
        shift: Any = self.shift
        spread: Any = self.spread
        facet: Any = self.header.facet
        x = normalize(rgb, shift, spread)
        blocks, norm = self.header.blocks, self.header.norm
        if self.row.kind == "cnn":
            patches = cnn.extract_maps(self.model, x, stages=blocks)
        else:
            patches, _ = vit.extract_facets(self.model, x, facet=facet, blocks=blocks, norm=norm)
        centered = patches - self.head.mean
        return self.head.linear(centered) if self.plain else self.head.join(centered, centered)


def write_onnx(row: Backbone, model: torch.nn.Module, head: Head, header: FeatureHeader, path: Path) -> float:
    """Write network and head, and compare ONNX Runtime's codes of noise with torch's.

    Args:
        row: of the network.
        model: the network, on the CPU.
        head: in eval mode, on the CPU.
        header: facet, blocks, norm, and the side of crops.
        path: the file.

    Returns:
        The largest difference, relative to the largest code.

    Raises:
        UsageError: it is above 1e-3; nothing is written.
        MachineError: a library is missing.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  torch's exporter is built on it
    except ImportError as error:
        raise MachineError(
            f"{named('onnx', True)} needs {error.name}, which is not installed; run `pip install segpipe[onnx]`"
        ) from error
    side = max(1, round(header.side / header.patch)) * header.patch
    graph = Graph(row, model.eval(), head.eval(), header).eval()
    rgb = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8))
    with torch.inference_mode():
        expected = graph(rgb).numpy()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own
        program = torch.onnx.export(
            graph,
            (rgb,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["rgb"],
            output_names=["codes"],
            verbose=False,
            external_data=False,
        )
    assert program is not None
    with files.atomic(path) as beside:
        program.save(beside)
        session = onnxruntime.InferenceSession(str(beside), providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"rgb": rgb.numpy()})
        max_diff = float(np.abs(found - expected).max() / np.abs(expected).max())
        if not max_diff <= _MAX_DIFF:
            raise UsageError(
                f"{path}: ONNX Runtime's codes differ by {max_diff:.1e} of the largest, more than {_MAX_DIFF}"
            )
    return max_diff
