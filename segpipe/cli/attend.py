"""`segpipe attend`: what a frozen backbone attends to, on images, folders and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.cli import terminal
from segpipe.cli.attend_options import as_options, attend_options
from segpipe.cli.options import common
from segpipe.cli.work import tell_rejected

EXAMPLES = """\b
Examples:
  segpipe attend photos/ seen/                                  maps and a sheet of every image
  segpipe attend photos/ seen/ --backbone classical             the same with no download
  segpipe attend reef.jpg seen/ --compare dino                  five DINO networks on one sheet
  segpipe attend dive.mp4 seen.webm --style overlay --threshold 0.6
  segpipe attend frames/ seen.mp4 --fps 15 --map rollout
"""


@click.command("attend", epilog=EXAMPLES)
@click.argument("images", metavar="IMAGES")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@attend_options
@common
def attend_command(images: str, out: Path, **options: Any) -> int:
    """See what a backbone attends to: maps of every head, their mean, heads in colors, rollout.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT is a
    folder, or a video (.webm plays in browsers; .mp4, .mkv, .mov, .avi) with one frame per image or frame.

    A network without attention (a ResNet, `classical`) shows how strongly its features respond, and says so.
    """
    from segpipe.commands.attend.run import Asked, attend

    screen, quiet = click.get_current_context().obj
    with as_options():
        runtime = Runtime(pick_device(options["device"]), cpu_count(), terminal.tracker(screen, quiet=quiet))
        done = attend(images, out, Asked(**options), runtime)
    if done.film:
        click.echo(f"video    {out}  ({done.pictures} frames)")
    else:
        click.echo(f"sheets   {out / 'sheets'}  ({done.pictures} {done.unit}, {done.files} files)")
    return tell_rejected(done.rejected, None if done.film else out / "rejected.jsonl")
