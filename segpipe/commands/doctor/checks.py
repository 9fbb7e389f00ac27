"""What `segpipe doctor` looks at."""

from __future__ import annotations

import importlib
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from rich.table import Table

from segpipe.base.runtime import cpu_count
from segpipe.base.tables import plain_table
from segpipe.base.version import __version__

Check = Callable[[Path], tuple[bool, str]]


def examine(folder: Path) -> tuple[Table, bool]:
    """Run every check; the table of answers and whether all that a run needs is there."""
    table = plain_table("", "", "")
    table.show_header = False
    sound = True
    for name, check in CHECKS.items():
        try:
            good, answer = check(folder)
        except Exception as error:  # a broken package can raise anything; that is the finding
            good, answer = False, f"{type(error).__name__}: {error}"
        sound &= good
        table.add_row("ok" if good else "MISSING", name, answer)
    return table, sound


def _python(folder: Path) -> tuple[bool, str]:
    return True, f"segpipe {__version__}, Python {platform.python_version()}, {platform.platform()}"


def _package(module: str, *distributions: str) -> Check:
    def check(folder: Path) -> tuple[bool, str]:
        importlib.import_module(module)
        for name in distributions:
            try:
                return True, f"{name} {metadata.version(name)}"
            except metadata.PackageNotFoundError:
                continue
        return True, "present"

    return check


def _faiss(folder: Path) -> tuple[bool, str]:
    found, said = _package("faiss", "faiss-gpu", "faiss-cpu")(folder)
    import torch

    return found, said if torch.cuda.is_available() or "gpu" not in said else f"{said} (runs without a GPU too)"


def _crf(folder: Path) -> tuple[bool, str]:
    from segpipe.base.jit import kept_in
    from segpipe.ops.crf.dense_crf import prepare

    prepare(8)
    where = kept_in()
    kept = f"in {where}" if where else "nowhere: every process compiles anew (NUMBA_CACHE_DIR names a folder)"
    return True, f"numba {metadata.version('numba')}, compiled code is kept {kept}"


def _device(folder: Path) -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        return True, f"cuda: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return True, "mps"
    return True, "cpu only (features of a ViT-S/16 take about 0.1 s an image)"


def _processors(folder: Path) -> tuple[bool, str]:
    return True, f"{cpu_count()} usable"


def _disk(folder: Path) -> tuple[bool, str]:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return free > 1 << 30, f"{free / 1e9:.1f} GB free at {existing}"


def _writable(folder: Path) -> tuple[bool, str]:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    with tempfile.NamedTemporaryFile(dir=existing) as file:
        file.write(b"x")
    return True, f"{existing} can be written"


def _weights(folder: Path) -> tuple[bool, str]:
    from segpipe.nn import backbones, hub
    from segpipe.stages.extract import Config

    ready = [row.name for row in backbones.list_backbones() if row.at_hand]
    default = backbones.find_backbone(Config.model_fields["backbone"].default)
    others = f"at hand: {', '.join(ready)}"
    if default.name in ready:
        return True, others
    _, why = hub.offered(default.repo)
    first = f"those of {default.name}, the default, are not on this machine; "
    return True, first + (
        f"{why}: give extract.weights=FILE, or a filled hub cache (HF_HOME); {others}"
        if why
        else f"the hub answers and has them (fetched at first use); {others}"
    )


CHECKS: dict[str, Check] = {
    "segpipe": _python,
    "torch": _package("torch", "torch"),
    "timm": _package("timm", "timm"),
    "faiss": _faiss,
    "opencv": _package("cv2", "opencv-python-headless", "opencv-python"),
    "zarr": _package("zarr", "zarr"),
    "scikit-learn": _package("sklearn", "scikit-learn"),
    "rasterio": _package("rasterio", "rasterio"),
    "dense CRF": _crf,
    "device": _device,
    "processors": _processors,
    "disk": _disk,
    "writing": _writable,
    "weights": _weights,
}
