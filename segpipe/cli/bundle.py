"""`segpipe bundle` and `segpipe apply`: take the model out of a run, and use it on new images."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from segpipe import pipeline
from segpipe.base.config import Layer, build, read_sets
from segpipe.base.files import absolute
from segpipe.cli import terminal
from segpipe.cli.options import (
    EXIT_CODES,
    IMAGES_HELP,
    chosen_formats,
    common,
    formats_option,
    run_argument,
    sets_option,
    settings_command,
)
from segpipe.cli.work import existing, tell_rejected

_SECTIONS = {name: pipeline.SECTIONS[name] for name in ("runtime", "export")}

file_argument = click.argument("model", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))


@click.command("bundle", epilog=EXIT_CODES)
@run_argument
@file_argument
@click.option("--onnx", is_flag=True, help="Also write network and head as FILE.onnx, compared by ONNX Runtime.")
@common
def bundle_command(run_path: Path, model: Path, onnx: bool) -> int:
    """Write the model of a finished RUN to one FILE, such as reef.segpipe, for `segpipe apply`.

    It holds the network, the head, the clusters, settings and class names; no image, and nothing that could run code.
    """
    from segpipe.commands.model.save import bundle, export_onnx

    run_dir = existing(run_path)
    with run_dir.lock():
        made = bundle(run_dir, model, pipeline.make_runtime(pipeline.resolve(run_dir)))
        click.echo(f"bundle   {model}  ({model.stat().st_size / 1e6:.1f} MB; weights: {made.licence})")
        if onnx:
            path = model.with_suffix(".onnx")
            apart = export_onnx(run_dir, path)
            click.echo(f"network  {path}  (ONNX Runtime's codes differ by at most {apart:.1e})")
    return 0


@click.command("apply", cls=settings_command(_SECTIONS), epilog=EXIT_CODES)
@file_argument
@click.argument("images", metavar="IMAGES")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@sets_option
@click.option("--every", type=click.IntRange(1), metavar="N", help="Of videos take every N-th frame; 1: all of them.")
@common
def apply_command(
    model: Path, images: str, out: Path, sets: Sequence[str], formats: Sequence[str], every: int | None
) -> int:
    """Make class maps of new IMAGES with the bundle FILE, the same that its run would make of them.

    Images stream through and nothing is stored but their masks: OUT/masks holds index PNGs, and beside it lies what
    `--format` asks for.
    """
    from segpipe.commands.model.predict import list_new, open_model
    from segpipe.commands.model.predict_folder import apply_to_folder

    settings = build(_SECTIONS, [Layer("command line", chosen_formats(formats)), read_sets(sets)])
    screen, quiet = click.get_current_context().obj
    runtime = pipeline.make_runtime(settings, terminal.tracker(screen, quiet=quiet))
    config: Any = settings["export"]
    with open_model(model, runtime) as opened:
        listing = list_new(absolute(images), opened)
        done = apply_to_folder(opened, listing, out, config, runtime, every=every or 0)
    click.echo(f"masks    {out / 'masks'}  ({done.images} images)")
    return tell_rejected(done.rejected, out / "rejected.jsonl")


apply_command.params.insert(4, formats_option)  # after --set, as in `segpipe export`
apply_command.help = f"{cleandoc(apply_command.help or '')}\n\n{IMAGES_HELP}"
