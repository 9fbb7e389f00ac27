"""Held out: labelled images by which a guided run may be judged, those whose points did not steer its classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segpipe.base.errors import UsageError, named
from segpipe.labels.ground_truth import Truth
from segpipe.records.corpus import Corpus
from segpipe.records.guide import Guide


def without_steering(truth: Truth, corpus: Corpus, guide: Guide | None) -> tuple[Truth, int]:
    """Take out the images whose points steered, and frames of the same shot.

    Args:
        truth: the labels.
        corpus: the images.
        guide: what steered; None where nothing did.

    Returns:
        The labels of the others, and how many images were taken out.

    Raises:
        UsageError: every labelled image steered.
    """
    if guide is None:
        return truth, 0
    places = {image.id: index for index, image in enumerate(corpus.images)}
    steered = np.unique(corpus.shots[[places[name] for name in guide.images if name in places]])
    kept = {index: source for index, source in truth.sources.items() if corpus.shots[index] not in steered}
    if not kept:
        raise UsageError(
            f"the classes are {guide.told}, and these labels are of those images alone: points cannot judge what they "
            f"steered; give labels of other images, or hold some out by {named('cluster.hold_out', 0.5)}"
        )
    return replace(truth, sources=kept), len(truth.sources) - len(kept)
