"""`segpipe probe`: what a frozen backbone looks at and what that depends on, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.cli import terminal
from segpipe.cli.attend_options import as_options
from segpipe.cli.options import common
from segpipe.cli.work import absolute, tell_rejected

EXAMPLES = """\b
Examples:
  segpipe probe photos/ seen/                                   a page, a table and figures of dino_vits16
  segpipe probe photos/ seen/ --backbone classical              the same with no download
  segpipe probe photos/ seen/ --measure center,focus            two questions alone, faster
  segpipe probe photos/ seen/ --disturb blur,veil,rotation --images 20
"""


@click.command("probe", epilog=EXAMPLES)
@click.argument("images", metavar="IMAGES")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--backbone", default="dino_vits16", show_default=True, metavar="NAME", help="Of `segpipe backbones`.")
@click.option("--weights", type=click.Path(path_type=Path), metavar="FILE", help="Weights of --backbone.")
@click.option("--block", type=int, default=-1, show_default=True, help="Which block; 0 is the first.")
@click.option(
    "--size",
    type=click.IntRange(16),
    default=256,
    show_default=True,
    help="Pixels of a side of the middle square that is looked at; brought to a multiple of four patches.",
)
@click.option(
    "--images",
    "count",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="How many at most; drawn by --seed.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is left to chance.")
@click.option(
    "--measure", "measures", multiple=True, metavar="NAME[,NAME]", help="center, focus, artefacts, agreement [all]."
)
@click.option("--disturb", multiple=True, metavar="NAME[,NAME]", help="Disturbances of the table [all].")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@common
def probe_command(images: str, out: Path, **options: Any) -> int:
    """Measure what a backbone looks at: is it drawn to the center, to focus, to artefacts; what does it survive?

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT gets
    index.html, probe.csv with 95% intervals over the images, probe.json and the figures.

    A network without attention (a ResNet, `classical`) is measured by how strongly its features respond, and the page
    says so.
    """
    with as_options():
        return _probe_images(images, out, options)


def _probe_images(images: str, out: Path, options: dict[str, Any]) -> int:
    from segpipe.parts.probe_out import probe_images

    screen, quiet = click.get_current_context().obj
    runtime = Runtime(pick_device(options["device"]), cpu_count(), terminal.tracker(screen, quiet=quiet))
    done = probe_images(
        absolute(images),
        out,
        runtime,
        backbone=options["backbone"],
        weights=options["weights"],
        block=options["block"],
        size=options["size"],
        count=options["count"],
        seed=options["seed"],
        measures=split(options["measures"]),
        disturb=split(options["disturb"]),
    )
    for text in done.sentences:
        click.echo(text)
    click.echo(f"page     {done.page}")
    return tell_rejected(done.rejected, out / "rejected.jsonl")


def split(given: Sequence[str]) -> list[str]:
    """Names that may be separated by commas.

    >>> split(["blur,hue", "veil"])
    ['blur', 'hue', 'veil']
    """
    return [name.strip() for text in given for name in text.split(",") if name.strip()]
