"""What a backbone's health means, in words."""

from __future__ import annotations

from collections.abc import Sequence

from segpipe.commands.doctor.health_measures import FRAME_CLASSES
from segpipe.records.backbone_health import BlockHealth

LARGE_FIRST, LARGE_POSITION, MANY_OUTLIERS = 0.3, 0.2, 0.005
"""From which shares on a sentence speaks of them. On six labelled sets the first component of the last block held 6 to
15% in a ViT-Ti of good classes and 41 to 58% in a DINOv2 ViT-S tuned for saliency; position explained 0 to 12% and 1 to
29%."""
MARGIN = 0.03
"""How much higher the agreement of a block must be than that of the last one to be named. Taking the block then gave
better k-means classes in three and worse ones in five of twelve trials (docs/howto/backbone-health.md)."""


def highest_block(blocks: Sequence[BlockHealth]) -> int | None:
    """The block of highest agreement, None where that is the last one, or no more than a margin above it."""
    best = max(blocks, key=lambda row: row.agreement)
    return best.block if best.agreement > blocks[-1].agreement + MARGIN else None


def sentences(blocks: Sequence[BlockHealth], *, drawn: bool, fixed: int = 0) -> tuple[str, ...]:
    """What stands out in the last block, and which one to take; more where images were drawn, or classes are fixed.

    Args:
        blocks: those that were looked at, the last one last.
        drawn: whether the images were drawn.
        fixed: of the classes by k-means that many lie at the same place of every frame.
    """
    found = [_standing_out(blocks[-1]), _which(blocks)]
    if fixed:
        found.append(
            f"{fixed} of {FRAME_CLASSES} classes {'lies' if fixed == 1 else 'lie'} at the same place of every frame: "
            "corners of the lens, a housing or an instrument will become classes; leave them out of the map by "
            "ignore: true in classes.yaml."
        )
    if drawn:
        found.append("The images are drawn and say little of yours: give a folder of yours as IMAGES.")
    return tuple(found)


def _standing_out(last: BlockHealth) -> str:
    parts = []
    if last.first >= LARGE_FIRST:
        parts.append(
            f"one component holds {last.first:.0%} of the variance, which outweighs all others if not whitened"
        )
    if last.position >= LARGE_POSITION:
        parts.append(
            f"the place in the image explains {last.position:.0%} of it, which helps where cameras look ahead, and "
            "splits things where place means nothing"
        )
    if last.outliers is not None and last.outliers >= MANY_OUTLIERS:
        parts.append(f"{last.outliers:.1%} of the tokens are outliers that say nothing of their place")
    return f"In block {last.block}, {'; '.join(parts)}." if parts else f"Nothing stands out in block {last.block}."


def _which(blocks: Sequence[BlockHealth]) -> str:
    last, highest = blocks[-1].block, highest_block(blocks)
    if len(blocks) == 1:
        return f"There is one block to take, {last}."
    if highest is None:
        return f"Take block {last}, the last one, as is the default: no other agrees clearly more."
    return (
        f"Take block {last}, the last one, as is the default: agreement is highest in block {highest} but cannot rank "
        "blocks: on labelled sets the one chosen by it was more often worse than better."
    )
