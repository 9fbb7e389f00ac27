"""`segpipe name`: names, merges and splits of the clusters of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from segpipe import pipeline
from segpipe.base.options import Command, Face, Report
from segpipe.base.tables import plain_table
from segpipe.commands.name.options import NameOptions
from segpipe.records.palette import hex_color

if TYPE_CHECKING:
    from segpipe.commands.name.run import Named, Proposed

EXAMPLES = """\
segpipe name runs/reef                                           write classes.yaml and a picture of each cluster
segpipe name runs/reef --points points.csv --classes names.txt   propose names by labelled pixels
segpipe name runs/reef --merge 4 2 --merge 7 sand                cluster 4 joins 2, cluster 7 joins what is sand
segpipe name runs/reef --suggest 6                               join the most similar until 6 classes are left
segpipe name runs/reef --split coral --into 3                    cut a cluster into 3, and nothing else
"""


def _work(options: NameOptions, face: Face) -> Named:
    from segpipe.commands.name.run import name_clusters

    run_dir = pipeline.existing_run(options.run)
    with run_dir.lock():
        found = name_clusters(run_dir, options, pipeline.make_runtime(pipeline.resolve(run_dir), face.track))
    for note in found.notes:
        pipeline.log.info("%s", note)
    written = "written; edit it, then run the last stages again" if found.written else "is as it was"
    pipeline.log.info("%s %s", found.path, written)
    later = pipeline.refresh(run_dir)
    if later is not None:
        pipeline.log.info("%s", later)
    return found


def _report(found: Named, options: NameOptions) -> Report:
    proposed = [_proposal_table(found.proposed, found)] if found.proposed else []
    return Report(details=[*proposed, _table(found)])


def _proposal_table(said: Proposed, found: Named) -> Table:
    table = plain_table("cluster", "labelled", "images", "agree", "95%", "most", "next", "proposed", "name")
    for k, p in enumerate(said.proposals):
        proposed = p.why if p.label is None else said.labels[p.label]
        name = found.naming.entries[k].name
        kept = " (kept)" if p.label is not None and name != proposed else ""
        agree = f"{p.agreement:.0%}" if p.pixels else ""
        ends = f"{100 * p.low:.0f} to {100 * p.high:.0f}" if p.pixels else ""
        first, second = ("" if label is None else said.labels[label] for label in (p.first, p.second))
        table.add_row(str(k), str(p.pixels), str(p.images), agree, ends, first, second, proposed, name + kept)
    return table


def _table(found: Named) -> Table:
    table = plain_table("cluster", "share", "class", "on the map")
    for k, place in enumerate(found.legend.classes_of.tolist()):
        shown = ("", "left out") if place < 0 else (str(place), found.legend.names[place])
        table.add_row(str(k), f"{100 * found.shares[k]:.1f}%", *shown)
    return table


def _value(found: Named) -> dict[int, dict[str, Any]]:
    said = {}
    for k, place in enumerate(found.legend.classes_of.tolist()):
        entry = found.naming.entries[k]
        said[k] = {
            "name": entry.name,
            "color": hex_color(entry.color),
            "merge_into": entry.merge_into,
            "ignore": entry.ignore,
            "share": found.shares[k],
            "picture": found.pictures[k],
            "class": None if place < 0 else found.legend.names[place],
        }
    return said


COMMAND = Command(
    "name",
    NameOptions,
    _work,
    _report,
    _value,
    returns="dict[int, dict[str, Any]]",
    returned="for every cluster what classes.yaml says of it (name, color, merge_into, ignore, share from 0 to 1, "
    "picture), and as `class` what it is on the map; None where it is left out",
    examples=EXAMPLES,
    files={
        "RUN/classes.yaml": "what a person says of the clusters",
        "RUN/classes.yaml.before": "the text before names were carried over to other clusters",
        "RUN/gallery/*.png": "of each cluster the patches that show it best",
        "RUN/gallery/*": "which masks the names were given to",
        "RUN/splits.npz": "with `--split`: which clusters are cut, and the centers of their parts",
    },
)
