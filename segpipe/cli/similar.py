"""`segpipe similar`: what in a run is like an image, or like a point of it."""

from __future__ import annotations

from pathlib import Path

import click

from segpipe import pipeline
from segpipe.cli import terminal
from segpipe.cli.options import EXIT_CODES, common, run_argument
from segpipe.cli.work import existing


@click.command("similar", epilog=EXIT_CODES)
@run_argument
@click.argument("query", metavar="QUERY")
@click.option("--point", type=(float, float), metavar="ROW COL", help="A point of QUERY, in pixels.")
@click.option("--with", "other", metavar="IMAGE", help="Show where the point lies in this image only.")
@click.option("-k", "count", type=click.IntRange(1), default=11, show_default=True, help="How many images to find.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@common
def similar_command(
    run_path: Path, query: str, point: tuple[float, float] | None, other: str | None, count: int, out: Path | None
) -> int:
    """Find the images of RUN most like QUERY: a contact sheet and a CSV, in RUN/similar/ or --out.

    QUERY is an image of the run, by its id, path or name, or any other image file. With --point, patches most like that
    point of it are found instead, the best of every image, and colors show how much every place is like it.
    """
    from segpipe.commands.similar.run import find_similar

    run_dir = existing(run_path)
    screen, quiet = click.get_current_context().obj
    runtime = pipeline.make_runtime(pipeline.resolve(run_dir), terminal.tracker(screen, quiet=quiet))
    found = find_similar(run_dir, query, out, runtime, k=count, point=point, other=other)
    for rank, (name, one) in enumerate(zip(found.names, found.alike, strict=True), 1):
        at = "" if one.at is None else f"  at row {one.at[0]:.0f}, column {one.at[1]:.0f}"
        click.echo(f"{rank:3}  {one.score:.3f}  {name}{at}")
    click.echo(f"sheet    {found.sheet}")
    return 0
