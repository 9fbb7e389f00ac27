"""Take the model out of a finished run: `segpipe bundle`."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.base.temporary import temporary_folder
from segpipe.base.version import __version__
from segpipe.inference.codes import HEAD, open_head
from segpipe.inference.encoder import WHITENING, reopen_encoder
from segpipe.nn.backbones import find_backbone, load_network
from segpipe.records.bundle import Bundle
from segpipe.records.features import FeatureHeader
from segpipe.store import bundle as store
from segpipe.store.checkpoints import save_tensors
from segpipe.store.class_names import open_legend
from segpipe.store.clusters import open_clusters, save_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore, stored_codec
from segpipe.store.guide import open_guide
from segpipe.store.masks import load_header
from segpipe.store.run_dir import RunDir

_STRICT = ("nodata", "any")
_PLANNING = ("crops", "window", "overlap", "bands", "max_pixels")
_CHANNELS = ("band_math", "band_files", "beside")


def bundle(run_dir: RunDir, path: Path, runtime: Runtime) -> Bundle:
    """Write what makes new masks to one file: network, head, clusters, settings, class names; no image, no pickle.

    Args:
        run_dir: a run that is up to date up to `refine`.
        path: the file; it appears whole or not at all.
        runtime: device on which the network is opened to see that it is the run's.

    Raises:
        UsageError: the run is not up to date, the weights are others than those it was made with, or `path` is a file
            of another kind.
        MachineError: the weights are not at hand.
    """
    if path.exists() and not (path.is_file() and zipfile.is_zipfile(path)):
        raise UsageError(f"{path} is there and no bundle; choose another name, or delete it first")
    settings = pipeline.resolve(run_dir)
    pipeline.require_finished(run_dir, "refine")
    features, masks = run_dir.path("features"), load_header(run_dir.path("masks"))
    header = FeatureStore(features).header
    guide = open_guide(run_dir)
    row = find_backbone(header.backbone)
    made = Bundle(
        header=replace(header, backbone=row.base or header.backbone),  # a path means nothing on another machine
        index={name: value for name, value in settings["index"] if _plans(name, value)},
        scaling=load_corpus(run_dir.path("corpus")).scaling,
        refine={name: masks[name] for name in ("side", "sharpness", "flip", "crf")},
        legend=open_legend(run_dir, masks["classes"]),
        licence=row.licence,
        version=__version__,
        guided=guide.told if guide else "",
    )
    with temporary_folder() as folder:
        parts = {HEAD: run_dir.path("head") / HEAD, "clusters.npz": folder / "clusters.npz"}
        save_clusters(open_clusters(run_dir), parts["clusters.npz"])
        parts |= _backbone(header, features, folder, runtime)
        codec = stored_codec(features) if header.codec != "float16" else None
        if codec is not None:
            parts["codec.npz"] = folder / "codec.npz"
            store.save_codec(codec, parts["codec.npz"])
        store.save_bundle(made, path, parts)
    return made


def _backbone(header: FeatureHeader, features: Path, folder: Path, runtime: Runtime) -> dict[str, Path]:
    row = find_backbone(header.backbone)
    if row.kind == "classical":
        return {WHITENING: features / WHITENING}
    reopen_encoder(header, features, runtime)  # raises where the weights are others now
    inputs = 3 if header.views or not header.channels else len(header.channels)
    model, source = load_network(row, weights=Path(header.weights) if header.weights else None, inputs=inputs)
    tensors: dict[str, Any] = dict(model.state_dict())
    save_tensors(folder / store.BACKBONE, tensors, {"backbone": header.backbone, "source": source})
    return {store.BACKBONE: folder / store.BACKBONE}


def _plans(name: str, value: Any) -> bool:
    """Whether a setting of `index` is needed to make crops; those that earlier versions did not have where set."""
    return name in _PLANNING or (name, value) == _STRICT or (name in _CHANNELS and bool(value))


def export_onnx(run_dir: RunDir, path: Path) -> float:
    """Write a run's network and head as ONNX: from pixels of a crop to codes.

    Input `rgb`: uint8 (batch, side, side, 3), side of `extract.input_size` rounded to whole patches; output `codes`:
    float32 (batch, rows, cols, dim), before the clusters' own projection and smoothing.

    Args:
        run_dir: a run up to `train`.
        path: the file; it appears only if ONNX Runtime gives the same codes.

    Returns:
        The largest difference between ONNX Runtime's codes and ours, on noise, relative to the largest code.

    Raises:
        UsageError: the backbone is `classical`, which is no network, or the codes differ by more than 1e-3.
        MachineError: `onnx`, `onnxscript` or `onnxruntime` is not installed.
    """
    from segpipe.nn.onnx import write_onnx

    header = FeatureStore(run_dir.path("features")).header
    row = find_backbone(header.backbone)
    if row.kind == "classical":
        raise UsageError(
            f"{named('extract.backbone', 'classical')} is no network, so there is no ONNX of it; "
            f"leave out {named('onnx', True)}"
        )
    if header.channels:
        raise UsageError(
            f"the run looks at {', '.join(header.channels)}, and ONNX is written of networks of red, green, blue; "
            f"leave out {named('onnx', True)}"
        )
    model, _ = load_network(row, weights=Path(header.weights) if header.weights else None, positions=header.positions)
    return write_onnx(row, model, open_head(run_dir.path("head")), header, path)
