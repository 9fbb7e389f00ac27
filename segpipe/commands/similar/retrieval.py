"""Image retrieval: images of a run by their cosine to a query."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.inference.patch_likeness import Match
from segpipe.ops.clustering import knn
from segpipe.records.corpus import Corpus

Float32 = npt.NDArray[np.float32]


def similar_images(query: Float32, vectors: Float32, corpus: Corpus, *, k: int, skip: int | None) -> list[Match]:
    """The images with a crop whose pooled vector is most like one of the query's, by cosine (FAISS, exact).

    Args:
        query: (m, d) pooled vectors of the query's crops.
        vectors: (n, d) of the corpus's crops.
        corpus: which crop is of which image.
        k: how many; fewer where there are fewer.
        skip: an image that is not to be found: the query itself.
    """
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    units, _ = knn.unit_rows(vectors - mean)
    asked, _ = knn.unit_rows(query - mean)
    most = max(len(rows) for rows in corpus.crops_of)
    depth = min(len(units), (k + 1) * most)
    scores, rows = knn.build(units, "exact", depth=depth).search(asked, depth)
    best: dict[int, float] = {}
    for score, row in zip(scores.ravel().tolist(), rows.ravel().tolist(), strict=True):
        image = corpus.crops[row].image
        if image != skip:
            best[image] = max(score, best.get(image, -1.0))
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))
    return [Match(image, score) for image, score in ranked[:k]]
