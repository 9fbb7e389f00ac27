"""Settings of `mine`."""

from __future__ import annotations

from typing import Literal

from segpipe.base.config import Section, setting
from segpipe.ops.clustering.knn import Kind


class Config(Section):
    """Settings of `mine`."""

    k: int = setting(7, "neighbors kept per crop", ge=1, le=10_000)
    same_image: bool = setting(False, "let crops of one image pair with each other, as STEGO does")
    index: Literal["auto", "exact", "ivf", "hnsw"] = setting(
        "auto",
        "how neighbors are searched: exact, or approximately by inverted lists or a graph; auto = see exact_below",
    )
    exact_below: int = setting(200_000, "crops from which on auto takes ivf instead of exact", ge=0)


def pick_kind(index: str, *, crops: int, exact_below: int) -> Kind:
    """The search that `auto` stands for."""
    if index == "auto":
        return "exact" if crops < exact_below else "ivf"
    return {"exact": "exact", "ivf": "ivf", "hnsw": "hnsw"}[index]  # type: ignore[return-value]
