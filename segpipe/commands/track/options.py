"""Options of `segpipe track`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from segpipe.base.options import FrameRange, Options, argument, option


class TrackOptions(Options):
    """Follow the objects that a backbone's attention heads see through a video; nothing is trained.

    VIDEO is a video, or a folder of frames (frame9 before frame10). OUT becomes a folder of masks, tables and a video,
    whole or not at all: what an interrupted call has done is used by the next one with the same options.
    """

    video: str = argument("a video, or a folder of frames", metavar="VIDEO")
    out: Path = argument("the folder to write", metavar="OUT")
    objects: int = option(3, "objects that a scene begins with, at most", limits={"ge": 1, "le": 100})
    heads: Literal["overlap", "random", "all"] = option(
        "overlap", "take the heads that overlap least, draw them, or take every head"
    )
    tracker: Literal["contrast", "dora"] = option(
        "contrast", "objects against their surroundings among the tokens, or the formulas of DoRA"
    )
    merge: float = option(
        0.1,
        "heads see one object where they differ less than this share of what sets them off from the surroundings",
        limits={"ge": 0, "le": 1},
    )
    sinkhorn: Literal["coded", "paper"] = option(
        "coded", "with --tracker dora: prototypes as in DoRA's code, or as in its paper"
    )
    seed: int = option(0, "of the draw of heads", limits={"ge": 0})
    keep: float = option(
        0.4,
        "a track is lost below this score: 1 as in its first frame, 0 as its surroundings; not with dora",
        limits={"ge": 0},
    )
    rejoin: float = option(
        0.0,
        "least cosine by which an object of a new scene goes on with an earlier track; 0 begins new tracks",
        limits={"ge": 0, "le": 1},
    )
    cuts: float = option(
        27.0,
        "a scene ends where two frames differ so much, as `index.scene_threshold` measures it; 0 = never",
        limits={"ge": 0},
    )
    backbone: str = option(
        "dino_vits16", "one of `segpipe backbones`, or of timm", metavar="NAME", of="extract.backbone"
    )
    weights: Path | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    block: int = option(-1, "which block of the ViT; 0 is the first, -1 the last", of="extract.blocks")
    input_size: int = option(
        480, "pixels of the short side as the network sees it", limits={"ge": 16}, of="extract.input_size"
    )
    frames: FrameRange = option(None, "frames FROM up to and without TO", metavar="FROM TO")
    labels: Path | None = option(
        None, "folder of index PNGs named like the frames: print J, F and J&F of their objects", metavar="DIR"
    )
    fps: float | None = option(
        None, "frames a second of the overlay video [the source's, 25 of a folder]", limits={"gt": 0, "le": 1000}
    )
    no_overlay: bool = option(False, "write no overlay video")
    device: str = option("auto", "where the network runs: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(
        0, "threads that read and write; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )
