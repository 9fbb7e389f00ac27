"""How well a run's map agrees with the labels under the names of its classes.

Names are given and changed after `evaluate`, which takes minutes; so this is computed when it is asked for, from the
counts that `evaluate` kept.
"""

from __future__ import annotations

from segpipe.ops.metrics.cluster_scores import rate_names
from segpipe.ops.metrics.confusion import ClassCounts
from segpipe.records.scores import NamedMap, counts_absent
from segpipe.store.class_names import open_legend
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_counts, load_scores


def named_scores(run_dir: RunDir) -> tuple[NamedMap, ClassCounts] | None:
    """Scores of the map as named and each image's tally, in the order of images.jsonl.

    Clusters that are left out of the map are judged by their names too: what is not shown is no error by itself.
    None where nobody named the clusters, or no name is that of a label.

    Raises:
        UsageError: scores/ or classes.yaml are damaged, or classes.yaml speaks of other clusters.
    """
    path = run_dir.path("scores")
    found, scores = load_counts(path), load_scores(path)
    legend = open_legend(run_dir, found.counts.clusters, whole=True)
    return rate_names(found, scores.classes, legend, absent=counts_absent(scores.protocol_name))
