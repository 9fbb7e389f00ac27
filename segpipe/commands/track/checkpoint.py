"""What a call that is cut off leaves for the next one: how far it came, and the tracks of the scene at hand."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from segpipe.base.files import write_bytes
from segpipe.ops.tracking.appearance import Appearance
from segpipe.ops.tracking.tracks import Memory, Scene

_ARRAYS = ("prototypes", "surroundings", "inside", "outside")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a call came."""

    memory: Memory
    frames: int
    """Frames whose masks are written."""
    journal: int
    """Bytes of the journal that speak of them."""


def save_checkpoint(path: Path, point: Checkpoint) -> None:
    """Write it, atomically."""
    memory, scene = point.memory, point.memory.scene
    arrays: dict[str, Any] = {}
    facts: dict[str, Any] = {
        "frames": point.frames,
        "journal": point.journal,
        "scenes": memory.scenes,
        "begun": memory.begun,
    }
    if scene is not None:
        facts |= {"scene": scene.number, "tracks": list(scene.tracks)}
        look = scene.look
        values = (look.prototypes, look.surroundings, scene.inside, scene.outside)
        arrays = dict(zip(_ARRAYS, values, strict=True))
    arrays |= {f"earlier{track}": vector for track, vector in memory.earlier.items()}
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.array(json.dumps(facts)), **arrays)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read it; the beginning where there is none that can be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as held:
            arrays = {name: held[name] for name in held.files}
        facts = json.loads(str(arrays.pop("facts")))
        scene = None
        if "scene" in facts:
            prototypes, surroundings, inside, outside = (arrays.pop(name) for name in _ARRAYS)
            look = Appearance(prototypes, surroundings)
            scene = Scene(facts["scene"], tuple(facts["tracks"]), look, inside, outside)
        earlier = {int(name.removeprefix("earlier")): vector for name, vector in arrays.items()}
        memory = Memory(scene, facts["scenes"], facts["begun"], earlier)
        return Checkpoint(memory, facts["frames"], facts["journal"])
    except (OSError, ValueError, LookupError, TypeError, BadZipFile):
        return Checkpoint(Memory(), 0, 0)
