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
from segpipe.base.files import absolute
from segpipe.base.geometry import Grid, Size
from segpipe.base.parallel import torch_alone
from segpipe.base.runtime import Runtime
from segpipe.base.version import versions
from segpipe.commands.probe.experiment import (
    ProbeResult,
    SquareImages,
    measure_images,
    open_squares,
    square_side,
)
from segpipe.commands.probe.measures import ProbePlan, half_masks
from segpipe.commands.probe.names import CENTER, HALF_BLUR, ROLL, SHARP, FindingTable
from segpipe.commands.probe.options import MEASURES, ProbeOptions
from segpipe.commands.probe.page import ProbeSubject, compose, draw_figures, render
from segpipe.commands.probe.places import roll_frame
from segpipe.commands.probe.text import notable, sentences
from segpipe.inference.backbone_view import fit_to_images, open_backbone_view, relative_to_uniform
from segpipe.ops.corruptions.registry import choose_corruptions, corrupt
from segpipe.ops.maps import upsample_maps
from segpipe.plots.heatmap import color_table, draw, tint
from segpipe.plots.html import Example, ExamplePanel
from segpipe.plots.thumbnails import photo
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding
from segpipe.store.findings import save_findings
from segpipe.store.ownership import PROBED, check_free, claim

Rgb = npt.NDArray[np.uint8]

_FACTS = "probe.json"
_EXAMPLES = 3
_QUANTILE = 0.99  # of the maps' values, becomes full strength


@dataclass(frozen=True, slots=True)
class ProbeOutput:
    """What a probe has found, and where it is written."""

    findings: tuple[Finding, ...]
    sentences: tuple[str, ...]
    page: Path
    rejected: tuple[Rejected, ...]


def probe_images(options: ProbeOptions, runtime: Runtime) -> ProbeOutput:
    """Probe a backbone on images, and write what was found into a folder.

    Args:
        options: images, backbone, measures, corruptions.
        runtime: device, workers, progress.

    Raises:
        UsageError: a wrong argument.
        CorpusError: not one image could be used.
        MachineError: the weights are not at hand.
    """
    images, out = absolute(options.images), options.out
    if out is None:
        raise UsageError(
            f"{options.images} is not a run (no config.yaml), so name the folder to write to: "
            "`segpipe probe IMAGES OUT`"
        )
    check_free(out, PROBED, earlier=(out / _FACTS).is_file)
    chosen, seed = choose_corruptions(options.corruptions), options.seed
    view = open_backbone_view(options.backbone, options.weights, runtime, block=options.block)
    side = square_side(options.input_size, view.patch)
    length, count = side * view.patch, options.max_images
    with open_squares(images, length=length, count=count, seed=seed, runtime=runtime) as squares:
        view = fit_to_images(view, squares.pixels)
        plan = ProbePlan(view, side, tuple(options.measures or MEASURES), chosen, seed)
        found = measure_images(squares, plan, runtime)
        examples = make_examples(squares, plan, FindingTable(found.findings))
    settings = {
        "images": images,
        "backbone": options.backbone,
        "weights": view.weights,
        "shows": view.kind,
        "where": view.where,
        "size": length,
        "seed": seed,
        "measures": list(plan.measures),
        "disturbances": [each.name for each in chosen],
        "device": runtime.device,
    }
    return _write(out, plan, found, examples, settings)


def _write(
    out: Path, plan: ProbePlan, found: ProbeResult, examples: Sequence[Example], settings: Mapping[str, Any]
) -> ProbeOutput:
    known, view, squares = FindingTable(found.findings), plan.view, found.squares
    summary, used = tuple(sentences(known, view.kind, found.by_place)), versions()
    drawn = draw_figures(known, found.by_place)
    page = compose(
        ProbeSubject(view.name, view.kind, view.where, len(squares.names)),
        known,
        drawn,
        summary,
        examples=examples,
        settings=[
            ("Probe", [(key, _text(value)) for key, value in settings.items()]),
            ("Versions", list({**used, "platform": platform.platform()}.items())),
        ],
        rejected=squares.rejected,
    )
    metadata = {
        "settings": settings,
        "images": list(squares.names),
        "said": summary,
        "by_place": None if found.by_place is None else np.round(found.by_place, 5).tolist(),
        "seconds": round(found.seconds, 1),
        "versions": used,
    }
    claim(out, PROBED, earlier=(out / _FACTS).is_file)
    save_findings(out / "probe.csv", found.findings)
    files.write_json(out / _FACTS, metadata)
    for name, encoded in drawn.items():
        for ending, content in encoded.items():
            files.write_bytes(out / "plots" / f"{name}.{ending}", content)
    files.write_jsonl(out / "rejected.jsonl", [asdict(entry) for entry in squares.rejected])
    files.write_text(out / "index.html", render(page))
    return ProbeOutput(found.findings, summary, out / "index.html", squares.rejected)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def make_examples(squares: SquareImages, plan: ProbePlan, found: FindingTable) -> list[Example]:
    """Some images as they are and as the sentences speak of them, each with its map."""
    count = len(squares.names)
    rows = sorted({count * (2 * i + 1) // (2 * _EXAMPLES) for i in range(_EXAMPLES)})
    shown = [(squares.names[row], _panels(squares.pixels[row], squares.index[row], plan, found)) for row in rows]
    with torch_alone():
        seen = [
            [relative_to_uniform(each.map, plan.view.kind) for each in plan.view.patch_views([rgb for *_, rgb in made])]
            for _, made in shown
        ]
    top = float(np.quantile(np.concatenate([maps[0].ravel() for maps in seen]), _QUANTILE))
    table = color_table("inferno")
    return [
        Example(
            name,
            [
                ExamplePanel(caption, note, photo(rgb), photo(_over(rgb, values, top, table, plan)))
                for (caption, note, rgb), values in zip(made, maps, strict=True)
            ],
        )
        for (name, made), maps in zip(shown, seen, strict=True)
    ]


def _panels(rgb: Rgb, index: int, plan: ProbePlan, found: FindingTable) -> list[tuple[str, str, Rgb]]:
    """Caption, note and image, the original one first."""
    made = [("as it is", "", np.array(rgb))]
    if found.disturbances(CENTER):
        made.append((ROLL, "by half the side", roll_frame(rgb, (plan.side // 2,) * 2, plan.view.patch)))
    blur = plan.blur
    if blur is not None and HALF_BLUR in found.disturbances(SHARP):
        soft = corrupt(blur, rgb, blur.levels[-1], seed=plan.seed, image=index).rgb
        half = half_masks(rgb.shape[0])[0]
        made.append((HALF_BLUR, f"{blur.levels[-1]:g} {blur.unit}", np.where(half[..., None], soft, rgb)))
    names = notable(found)
    for each in plan.corruptions:
        if each.name in names:
            level = each.levels[-1]
            made.append(
                (each.name, f"{level:g} {each.unit}", corrupt(each, rgb, level, seed=plan.seed, image=index).rgb)
            )
    return made


def _over(rgb: Rgb, values: npt.NDArray[np.float32], top: float, table: Rgb, plan: ProbePlan) -> Rgb:
    size = Size(*rgb.shape[:2])
    grid = Grid(values.shape[0], values.shape[1], plan.view.patch, size, size)
    strength = upsample_maps.rescale(upsample_maps.to_pixels(values, grid, size, nearest=False), 0.0, top)
    return draw(rgb, strength, tint(strength, table), style="overlay")
