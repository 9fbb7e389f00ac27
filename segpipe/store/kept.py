"""What a run keeps of classes that were found on other images: to files and back.

kept/classes.json           which head and clusters are kept, and what they were found on
kept/whitening.safetensors  of `classical` features: how those were whitened that they were found on
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, fields
from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.records.kept import KeptClasses
from segpipe.records.manifest import Manifest

FOLDER = "kept"
"""Folder in a run."""
_NAME = "classes.json"
_FORMAT = 1
_FIELDS = {field.name for field in fields(KeptClasses)}


def save_kept(kept: KeptClasses, root: Path, fitted: Path | None) -> None:
    """Write what is kept into the run at `root`.

    Args:
        kept: the classes.
        root: the run, or its draft.
        fitted: file of what was fitted to the images before their features were made, where anything was.
    """
    if fitted is not None:
        files.write_bytes(root / FOLDER / fitted.name, fitted.read_bytes())
    files.write_json(root / FOLDER / _NAME, {"format": _FORMAT, **asdict(kept)})


def load_kept(root: Path) -> KeptClasses | None:
    """What the run at `root` keeps; None where its classes are those of its own images.

    Raises:
        UsageError: the file is damaged.
    """
    path = root / FOLDER / _NAME
    try:
        values = files.read_json(path)
        if values.pop("format") != _FORMAT or not values.keys() <= _FIELDS:
            raise ValueError("of another format")
        return KeptClasses(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is damaged ({error}); delete it, and the classes are found anew") from error


def told_of_kept(root: Path, manifest: Manifest) -> str:
    """One line on the classes that the run at `root` keeps; empty where its classes are those of its own images.

    Raises:
        UsageError: the file is damaged.
    """
    kept, stages = load_kept(root), manifest.stages
    if kept is None or any(name not in stages for name in ("train", "cluster")):
        return ""
    if (stages["train"].artefact, stages["cluster"].artefact) != (kept.head, kept.clusters):
        return ""
    return kept.told(int(stages["index"].summary.get("images", 0)) if "index" in stages else 0)


def settled_scaling(root: Path) -> dict[str, tuple[float, float]]:
    """The values that become 0 and 255, by depth or channel, with which the run at `root` found its kept classes.

    Raises:
        UsageError: the file is damaged.
    """
    kept = load_kept(root)
    return {name: (low, high) for name, (low, high) in kept.space.get("scaling", {}).items()} if kept else {}


def kept_file(root: Path, name: str) -> Path | None:
    """A file of what is kept; None where there is none."""
    path = root / FOLDER / name
    return path if path.is_file() else None


def forget_kept(root: Path) -> None:
    """Keep nothing any more; the file that says so goes first."""
    (root / FOLDER / _NAME).unlink(missing_ok=True)
    shutil.rmtree(root / FOLDER, ignore_errors=True)
