"""Guide record: which labelled points steered the clusters of a run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Guide(BaseModel):
    """What steered, as clusters/guide.json keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """The labels as the user named them."""
    points: int
    """Labelled pixels that steered."""
    labels: tuple[str, ...]
    """Names of their labels."""
    names: tuple[str, ...]
    """Of each cluster the label that it was steered by; empty for what has none."""
    images: tuple[str, ...]
    """Ids of the images whose points steered."""
    held_out: int
    """Labelled images whose points did not."""

    @property
    def told(self) -> str:
        """What every result says of it.

        >>> Guide(file="p.csv", points=1, labels=("a", "b"), names=("a", "b"), images=("x",), held_out=0).told
        'guided by 1 point of 2 labels in 1 image'
        """
        found = {"point": self.points, "label": len(self.labels), "image": len(self.images)}
        points, labels, images = (f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in found.items())
        return f"guided by {points} of {labels} in {images}"
