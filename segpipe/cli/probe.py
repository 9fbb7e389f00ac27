"""`segpipe probe`: what a frozen backbone looks at and what that depends on, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.files import absolute
from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.cli import terminal
from segpipe.cli.attend_options import as_options
from segpipe.cli.options import common
from segpipe.cli.work import existing, tell_rejected

EXAMPLES = """\b
Examples:
  segpipe probe photos/ seen/                                   a page, a table and figures of dino_vits16
  segpipe probe photos/ seen/ --backbone classical              the same with no download
  segpipe probe photos/ seen/ --measure center,focus            two questions alone, faster
  segpipe probe photos/ seen/ --disturb blur,veil,rotation --images 20
  segpipe probe runs/photos                                     how far the masks of a run survive
  segpipe probe runs/photos --disturb veil,green-veil --crf
"""


@click.command("probe", epilog=EXAMPLES)
@click.argument("images", metavar="IMAGES")
@click.argument("out", metavar="[OUT]", required=False, type=click.Path(path_type=Path))
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
    help="How many at most, drawn by --seed.  [default: 60; of a run 24]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is left to chance.")
@click.option(
    "--measure", "measures", multiple=True, metavar="NAME[,NAME]", help="center, focus, artefacts, agreement [all]."
)
@click.option("--disturb", multiple=True, metavar="NAME[,NAME]", help="Disturbances of the table [all].")
@click.option("--crf/--no-crf", default=False, help="Of a run: sharpen masks by its CRF; takes half as long again.")
@click.option(
    "--side",
    type=click.IntRange(16),
    default=960,
    show_default=True,
    help="Of a run: longest side in pixels to which photographs are scaled before they are disturbed.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@common
def probe_command(images: str, out: Path | None, **options: Any) -> int:
    """Measure what a backbone looks at: is it drawn to the center, to focus, to artefacts; what does it survive?

    With the directory of a finished RUN in place of IMAGES: how far its masks stay the same when its images are
    disturbed. OUT is then RUN/probe where it is left out.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT gets
    index.html, probe.csv with 95% intervals over the images, probe.json and the figures.

    A network without attention (a ResNet, `classical`) is measured by how strongly its features respond, and the page
    says so.
    """
    if pipeline.is_run(Path(images)):
        return _probe_run(Path(images), out, options)
    _refuse(_OF_RUNS, f"{images} is not a run (no config.yaml)")
    if out is None:
        raise UsageError(
            f"{images} is not a run (no config.yaml), so name the folder to write to: `segpipe probe IMAGES OUT`"
        )
    with as_options():
        return _probe_images(images, out, options)


_OF_RUNS = {"crf": "--crf", "side": "--side"}
_OF_IMAGES = {
    "backbone": "--backbone",
    "weights": "--weights",
    "block": "--block",
    "size": "--size",
    "measures": "--measure",
    "device": "--device",
}


def _refuse(options: Mapping[str, str], why: str) -> None:
    """Refuse options that were given and would be ignored."""
    context = click.get_current_context()
    for name, spelling in options.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise UsageError(f"{spelling} has no meaning here: {why}; leave it out")


def _probe_run(path: Path, out: Path | None, options: dict[str, Any]) -> int:
    from segpipe.commands.robustness.options import RobustnessOptions
    from segpipe.commands.robustness.run import probe_run

    _refuse(_OF_IMAGES, f"{path} is a run, with a network and a device of its own")
    run_dir = existing(path)
    screen, quiet = click.get_current_context().obj
    runtime = pipeline.make_runtime(pipeline.resolve(run_dir), terminal.tracker(screen, quiet=quiet))
    asked = RobustnessOptions(
        images=options["count"],
        seed=options["seed"],
        corruptions=split(options["disturb"]),
        crf=options["crf"],
        size=options["side"],
    )
    done = probe_run(run_dir, out, asked, runtime)
    for text in done.said:
        click.echo(text)
    click.echo(f"page     {done.page}")
    return tell_rejected(done.rejected, done.page.parent / "probe.json")


def _probe_images(images: str, out: Path, options: dict[str, Any]) -> int:
    from segpipe.commands.probe.options import ProbeOptions
    from segpipe.commands.probe.writers import probe_images

    screen, quiet = click.get_current_context().obj
    runtime = Runtime(pick_device(options["device"]), cpu_count(), terminal.tracker(screen, quiet=quiet))
    asked = ProbeOptions(
        backbone=options["backbone"],
        weights=options["weights"],
        block=options["block"],
        size=options["size"],
        images=options["count"],
        seed=options["seed"],
        measures=split(options["measures"]),
        corruptions=split(options["disturb"]),
        device=options["device"],
    )
    done = probe_images(absolute(images), out, asked, runtime)
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
