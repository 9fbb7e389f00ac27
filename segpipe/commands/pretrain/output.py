"""What OUT holds of a training: the settings that decide its weights, and what could not be used."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.yaml_text import load
from segpipe.commands.pretrain.card import CARD, PAGE
from segpipe.commands.pretrain.history import EVENTS, HISTORY
from segpipe.commands.pretrain.state import CHECKPOINT
from segpipe.commands.pretrain.training_curves import CURVES
from segpipe.nn.pretrained import FILE
from segpipe.records.corpus import Rejected

_SETTINGS, _REJECTED = "settings.yaml", "rejected.jsonl"

WAY_OUT = (
    f"give the same ones, another OUT, or {named('overwrite', True)} to begin anew; to train on from its result give "
    f"{named('init', 'OUT')} and another OUT"
)
"""Of an OUT that holds another training."""


def begin(out: Path, settings: Mapping[str, Any]) -> None:
    """Clear what an earlier training left, and write the settings of a new one."""
    (out / _SETTINGS).unlink(missing_ok=True)  # first: half cleared it must not be taken for a beginning
    for name in (FILE, CARD, PAGE, HISTORY, CURVES, _REJECTED):
        (out / name).unlink(missing_ok=True)
    for name in (CHECKPOINT, EVENTS):
        shutil.rmtree(out / name, ignore_errors=True)
    text = yaml.safe_dump(dict(settings), sort_keys=True, allow_unicode=True)
    files.write_text(out / _SETTINGS, f"# What decides the weights; the same command goes on with them.\n{text}")


def read_settings(out: Path) -> dict[str, Any]:
    """The settings of the training that OUT holds; empty where it holds none.

    Raises:
        UsageError: they are damaged.
    """
    path = out / _SETTINGS
    if not path.is_file():
        return {}
    found = load(files.read_text(path), path, way_out="delete OUT, or give --overwrite")
    if not isinstance(found, dict) or not isinstance(found.get("items"), int):
        raise UsageError(f"{path} is damaged; delete {out}, or name another OUT")
    return found


def read_rejected(out: Path) -> tuple[Rejected, ...]:
    """What an earlier call could not use."""
    try:
        return tuple(Rejected(**row) for row in files.read_jsonl(out / _REJECTED))
    except (OSError, ValueError, TypeError):
        return ()


def write_rejected(out: Path, rejected: Sequence[Rejected]) -> None:
    """Keep what could not be used, for people and for `read_rejected`."""
    files.write_jsonl(out / _REJECTED, [asdict(item) for item in rejected])
