"""What `segpipe probe IMAGES` writes: a table, figures, and a page with examples."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Grid, Size
from segpipe.base.parallel import torch_alone
from segpipe.base.runtime import Runtime
from segpipe.base.version import versions
from segpipe.commands.probe.experiment import (
    Frames,
    Probings,
    frame_side,
    open_frames,
    probe_frames,
)
from segpipe.commands.probe.measures import MEASURES, Probe, half_masks
from segpipe.commands.probe.names import CENTER, HALF_BLUR, ROLL, SHARP, Findings
from segpipe.commands.probe.page import Example, Panel, compose, draw_figures, render
from segpipe.commands.probe.places import roll_frame
from segpipe.commands.probe.text import notable, sentences
from segpipe.inference import backbone_view as seeing
from segpipe.inference.backbone_maps import relative
from segpipe.ops.corruptions.registry import choose_disturbances, disturb
from segpipe.ops.maps import upsample_maps as maps_ops
from segpipe.plots.heatmap import color_table, draw, tint
from segpipe.plots.thumbnails import photo
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding
from segpipe.store.findings import save_findings

Rgb = npt.NDArray[np.uint8]

_IMAGES = 60
_EXAMPLES = 3
_QUANTILE = 0.99  # of the maps' values, becomes full strength


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a probe."""

    findings: tuple[Finding, ...]
    sentences: tuple[str, ...]
    page: Path
    rejected: tuple[Rejected, ...]


def probe_images(
    images: str,
    out: Path,
    runtime: Runtime,
    *,
    backbone: str = "dino_vits16",
    weights: Path | None = None,
    block: int = -1,
    size: int = 256,
    count: int | None = None,
    seed: int = 0,
    measures: Sequence[str] = (),
    disturb: Sequence[str] = (),
) -> Outcome:
    """Probe a backbone on pictures, and write what was found into a folder.

    Args:
        images: a folder, a file, a glob, a list of paths, or a video.
        out: the folder.
        runtime: device, workers, progress.
        backbone: name of `segpipe backbones`, or any timm model's.
        weights: a file to load instead of the hub's.
        block: block of a ViT or stage of a CNN.
        size: pixels of a side of the frames, brought to a multiple of four patches.
        count: how many pictures at most; 60 for None.
        seed: of the choice of pictures, the disturbances and the intervals.
        measures: some of `MEASURES`, or none for all.
        disturb: names of disturbances, or none for all.

    Raises:
        UsageError: a wrong argument.
        CorpusError: not one picture could be used.
        MachineError: the weights are not at hand.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder as OUT")
    unknown = next((name for name in measures if name not in MEASURES), None)
    if unknown is not None:
        raise UsageError(f"--measure {unknown} is not known; there are {', '.join(MEASURES)}")
    chosen = choose_disturbances(disturb)
    seer = seeing.open_seer(backbone, weights, runtime, block=block)
    side = frame_side(size, seer.patch)
    with open_frames(images, length=side * seer.patch, count=count or _IMAGES, seed=seed, runtime=runtime) as frames:
        seer = seeing.fit(seer, frames.pixels)
        probe = Probe(seer, side, tuple(measures or MEASURES), chosen, seed)
        found = probe_frames(frames, probe, runtime)
        examples = make_examples(frames, probe, Findings(found.findings))
    settings = {
        "images": images,
        "backbone": backbone,
        "weights": seer.weights,
        "shows": seer.kind,
        "where": seer.where,
        "size": side * seer.patch,
        "seed": seed,
        "measures": list(probe.measures),
        "disturbances": [each.name for each in chosen],
        "device": runtime.device,
    }
    return _write(out, probe, found, examples, settings)


def _write(
    out: Path, probe: Probe, found: Probings, examples: Sequence[Example], settings: Mapping[str, Any]
) -> Outcome:
    known, seer, frames = Findings(found.findings), probe.seer, found.frames
    said, used = tuple(sentences(known, seer.kind, found.by_place)), versions()
    drawn = draw_figures(known, found.by_place)
    page = compose(
        known,
        drawn,
        said,
        backbone=seer.backbone,
        kind=seer.kind,
        where=seer.where,
        images=len(frames.names),
        examples=examples,
        settings=[
            ("Probe", [(key, _text(value)) for key, value in settings.items()]),
            ("Versions", list({**used, "platform": platform.platform()}.items())),
        ],
        rejected=frames.rejected,
    )
    facts = {
        "settings": settings,
        "images": list(frames.names),
        "said": said,
        "by_place": None if found.by_place is None else np.round(found.by_place, 5).tolist(),
        "seconds": round(found.seconds, 1),
        "versions": used,
    }
    out.mkdir(parents=True, exist_ok=True)
    save_findings(out / "probe.csv", found.findings)
    files.write_json(out / "probe.json", facts)
    for name, encoded in drawn.items():
        for ending, content in encoded.items():
            files.write_bytes(out / "plots" / f"{name}.{ending}", content)
    files.write_jsonl(out / "rejected.jsonl", [asdict(entry) for entry in frames.rejected])
    files.write_text(out / "index.html", render(page))
    return Outcome(found.findings, said, out / "index.html", frames.rejected)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def make_examples(frames: Frames, probe: Probe, found: Findings) -> list[Example]:
    """Some pictures as they are and as the sentences speak of them, each with its map."""
    count = len(frames.names)
    rows = sorted({count * (2 * i + 1) // (2 * _EXAMPLES) for i in range(_EXAMPLES)})
    shown = [(frames.names[row], _panels(frames.pixels[row], frames.index[row], probe, found)) for row in rows]
    with torch_alone():
        seen = [[_relative(sight, probe) for sight in probe.seer.see([rgb for *_, rgb in made])] for _, made in shown]
    top = float(np.quantile(np.concatenate([maps[0].ravel() for maps in seen]), _QUANTILE))
    table = color_table("inferno")
    return [
        Example(
            name,
            [
                Panel(caption, note, photo(rgb), photo(_over(rgb, values, top, table, probe)))
                for (caption, note, rgb), values in zip(made, maps, strict=True)
            ],
        )
        for (name, made), maps in zip(shown, seen, strict=True)
    ]


def _panels(rgb: Rgb, index: int, probe: Probe, found: Findings) -> list[tuple[str, str, Rgb]]:
    """Caption, note and picture, the undisturbed one first."""
    made = [("as it is", "", np.array(rgb))]
    if found.disturbances(CENTER):
        made.append((ROLL, "by half the side", roll_frame(rgb, (probe.side // 2,) * 2, probe.seer.patch)))
    blur = probe.blur
    if blur is not None and HALF_BLUR in found.disturbances(SHARP):
        soft = disturb(blur, rgb, blur.levels[-1], seed=probe.seed, image=index).rgb
        half = half_masks(rgb.shape[0])[0]
        made.append((HALF_BLUR, f"{blur.levels[-1]:g} {blur.unit}", np.where(half[..., None], soft, rgb)))
    names = notable(found)
    for each in probe.disturbances:
        if each.name in names:
            level = each.levels[-1]
            made.append(
                (each.name, f"{level:g} {each.unit}", disturb(each, rgb, level, seed=probe.seed, image=index).rgb)
            )
    return made


def _relative(sight: seeing.Sight, probe: Probe) -> npt.NDArray[np.float32]:
    return relative(sight.map, probe.seer.kind)


def _over(rgb: Rgb, values: npt.NDArray[np.float32], top: float, table: Rgb, probe: Probe) -> Rgb:
    size = Size(*rgb.shape[:2])
    grid = Grid(values.shape[0], values.shape[1], probe.seer.patch, size, size)
    strength = maps_ops.between(maps_ops.to_pixels(values, grid, size, nearest=False), 0.0, top)
    return draw(rgb, strength, tint(strength, table), style="overlay")
