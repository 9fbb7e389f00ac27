"""Backbones that `segpipe pretrain` made: a file of weights whose metadata say which network it is and how it was made.

Such a file, or the folder that holds it, can be given wherever a backbone is named.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.shortage import raise_shortage

FILE = "backbone.safetensors"
"""Name of the file in the folder OUT."""
KIND = "backbone of segpipe pretrain"
_META, _KIND = "segpipe", "kind"
_NEEDED = ("network", "licence", "positions")
_MOST = 1 << 20  # characters of a card


def weights_file(name: str | os.PathLike[str]) -> Path | None:
    """The file that a name means, where it is one of a pretrained backbone, or a folder with one; else None."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            path = path / FILE
        return path if path.suffix == ".safetensors" and path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def looks_like_path(name: str) -> bool:
    """Whether a name can only mean a file or folder: no network's name has a separator or this ending."""
    return os.sep in name or "/" in name or name.startswith("~") or name.endswith(".safetensors")


def has_card(path: Path) -> bool:
    """Whether a file is one that `segpipe pretrain` made."""
    try:
        with safe_open(path, framework="numpy") as file:
            card = files.parse_json((file.metadata() or {}).get(_META, "null"))
        return isinstance(card, dict) and card.get(_KIND) == KIND
    except (OSError, SafetensorError, ValueError):
        return False


def read_card(path: Path) -> dict[str, Any]:
    """What a pretrained backbone says of itself: `network`, `licence`, `positions`, and how it was made.

    Raises:
        UsageError: the file is missing, damaged, or was not made by `segpipe pretrain`.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_META, "null")
        card = files.parse_json(text[:_MOST])
    except (OSError, SafetensorError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} is missing, damaged or no safetensors file ({error}); name another") from error
    if not isinstance(card, dict) or card.get(_KIND) != KIND:
        raise UsageError(
            f"{path} has no card that says which network it is; set {named('extract.backbone')} to that network and "
            f"{named('extract.weights', path)}"
        )
    missing = next((name for name in _NEEDED if not isinstance(card.get(name), str)), None)
    if missing is not None or card["positions"] not in ("dino", "timm"):
        raise UsageError(
            f"{path}: its card is damaged ({missing or 'positions'}); make it again with `segpipe pretrain`"
        )
    return card
