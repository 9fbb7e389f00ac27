"""The card of a trained backbone: which network it is, on what it was trained, how, and under which licence.

The same facts lie in the metadata of `backbone.safetensors`, in `card.json`, and for people in `card.md`. They hold no
date and no path of the machine but that of the images, so that equal trainings make equal files.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from segpipe.base import files
from segpipe.base.shown import quoted
from segpipe.base.version import __version__
from segpipe.nn.pretrained import FILE, KIND
from segpipe.nn.projection_head import Headed
from segpipe.store.checkpoints import save_tensors

CARD, PAGE = "card.json", "card.md"


def make_card(
    identity: Mapping[str, Any], *, network: str, positions: str, licence: str, data: Mapping[str, Any], ended: str
) -> dict[str, Any]:
    """The facts.

    Args:
        identity: all that decided the weights.
        network: its name in the table or timm.
        positions: the rule of its learned positions.
        licence: of the weights, as the user gave it.
        data: what it was trained on: path, number of images, fingerprint of the list.
        ended: why it ended before its last step; empty where it did not.
    """
    settings = {name: value for name, value in identity.items() if value is not None}
    return {
        "kind": KIND,
        "network": network,
        "positions": positions,
        "licence": licence,
        "method": identity["method"],
        "init": settings.pop("init"),
        "data": dict(data),
        **({"ended early": ended} if ended else {}),
        "settings": settings,
        "versions": {"segpipe": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def write_result(out: Path, teacher: Headed, card: Mapping[str, Any]) -> None:
    """Write the teacher's backbone in timm's names, float32, with its card; the weights last."""
    files.write_json(out / CARD, card)
    files.write_text(out / PAGE, page(card))
    tensors = {name: value.float() for name, value in teacher.backbone.state_dict().items()}
    save_tensors(out / FILE, tensors, card)


def page(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    data = card["data"]
    lines = [
        f"# {card['network']}, trained by segpipe",
        "",
        f"- trained on {data['images']} images of {quoted(str(data['path']))} (list {data['list']})",
        f"- method {card['method']}, begun with {card['init']}",
        f"- licence: {card['licence']}",
        f"- learned positions are interpolated by {card['positions']}'s rule",
    ]
    if "ended early" in card:
        lines.append(f"- ended before its last step: {card['ended early']}")
    lines += ["", "No label took part. Use it wherever a backbone is named: `--backbone` and this folder.", ""]
    for title in ("settings", "versions"):
        lines += [f"## {title.capitalize()}", "", "| name | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in card[title].items()]
        lines.append("")
    return "\n".join(lines)
