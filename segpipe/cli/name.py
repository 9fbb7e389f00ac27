"""`segpipe name`: what the clusters of a run are called, written for a person to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.tables import plain_table
from segpipe.cli.options import common, run_argument
from segpipe.cli.work import existing

if TYPE_CHECKING:
    from segpipe.commands.name.run import Named, Proposed

EXAMPLES = """\b
Examples:
  segpipe name runs/reef                                           write classes.yaml and a picture of each cluster
  segpipe name runs/reef --points points.csv --classes names.txt   propose names by labelled pixels
  segpipe name runs/reef --merge 4 2 --merge 7 sand                cluster 4 joins 2, cluster 7 joins what is sand
  segpipe name runs/reef --suggest 6                               join the most alike until 6 classes are left
  segpipe name runs/reef --split coral --into 3                    cut a cluster into 3, and nothing else
"""


@click.command("name", epilog=EXAMPLES)
@run_argument
@click.option(
    "--points", "--labels", "labels", metavar="CSV|DIR", type=click.Path(path_type=Path),
    help="Propose names by labelled pixels: a CSV of points, or a folder of index PNGs.",
)  # fmt: skip
@click.option("--classes", metavar="FILE", type=click.Path(path_type=Path), help="Class names, one a line.")
@click.option("--least", default=10, show_default=True, type=click.IntRange(1), help="Labelled pixels a name needs.")
@click.option("--spread", default=2, show_default=True, type=click.IntRange(1), help="Images that they must lie in.")
@click.option(
    "--share", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Share of them that must agree."
)
@click.option("merges", "--merge", nargs=2, multiple=True, metavar="A B", help="Cluster A joins the class of B.")
@click.option("--suggest", type=click.IntRange(1), metavar="N", help="Join the most alike until N classes are left.")
@click.option(
    "--split", metavar="CLUSTER", help="Cut this cluster further, by number or name; others stay as they are."
)
@click.option(
    "--into", type=click.IntRange(1), metavar="N", help="Parts of --split [2]; 1 joins again what was cut off it."
)
@click.option(
    "--by", type=click.Choice(["auto", "tree", "kmeans"]),
    help="How --split cuts: along the class tree, by k-means of patches [auto: the tree where no part is a crumb].",
)  # fmt: skip
@common
def name_command(run_path: Path, into: int | None, by: Any, **options: Any) -> int:
    """Write RUN/classes.yaml, where a person says what the clusters are called.

    For each cluster it holds name, color, merge_into, ignore, its share of the pixels and the picture of its best
    patches in RUN/gallery/. What was written before is kept; where the clusters have changed, names follow the pixels.
    """
    from segpipe.cli import terminal
    from segpipe.commands.name.run import Asked, name_clusters

    run_dir = existing(run_path)
    if options["split"] is None and (into or by):
        raise UsageError("--into and --by say how --split cuts; name a cluster, such as --split 3")
    screen, quiet = click.get_current_context().obj
    with run_dir.lock():
        runtime = pipeline.make_runtime(pipeline.resolve(run_dir), terminal.tracker(screen, quiet=quiet))
        found = name_clusters(run_dir, Asked(**options, into=into or 2, by=by or "auto"), runtime)
    if found.proposed and not quiet:
        Console().print(_proposal_table(found.proposed, found))
    for note in found.notes:
        pipeline.log.info("%s", note)
    if not quiet:
        Console().print(_table(found))
    written = "written; edit it, then run the last stages again" if found.written else "is as it was"
    pipeline.log.info("%s %s", found.path, written)
    return 0


def _proposal_table(said: Proposed, found: Named) -> Table:
    table = plain_table("cluster", "labelled", "images", "agree", "proposed", "next", "name")
    for k, p in enumerate(said.proposals):
        proposed = p.why if p.label is None else said.labels[p.label]
        name = found.naming.entries[k].name
        kept = " (kept)" if p.label is not None and name != proposed else ""
        table.add_row(
            str(k), str(p.pixels), str(p.images), f"{p.agreement:.0%}" if p.pixels else "", proposed,
            "" if p.second is None else said.labels[p.second], name + kept,
        )  # fmt: skip
    return table


def _table(found: Named) -> Table:
    table = plain_table("cluster", "share", "on the map")
    for k, place in enumerate(found.legend.classes_of.tolist()):
        table.add_row(str(k), f"{100 * found.shares[k]:.1f}%", "left out" if place < 0 else found.legend.names[place])
    return table
