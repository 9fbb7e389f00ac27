"""Options of `segpipe bundle` and `segpipe apply`."""

from __future__ import annotations

from pathlib import Path

from segpipe.base.options import Options, argument, option
from segpipe.stages.export.settings import formats_option


class BundleOptions(Options):
    """Write the model of a finished RUN to one FILE, such as reef.segpipe, for `segpipe apply`.

    It holds the network, the head, the clusters, settings and class names; no image, and nothing that could run code.
    """

    run: Path = argument("the run directory", metavar="RUN")
    model: Path = argument("the file", metavar="FILE")
    onnx: bool = option(False, "also write network and head as FILE.onnx, compared by ONNX Runtime")


class ApplyOptions(Options):
    """Make class maps of new IMAGES with the bundle FILE, the same that its run would make of them.

    Images stream through and nothing is stored but their masks: OUT/masks holds index PNGs, and beside it lies what
    --format asks for.
    """

    model: Path = argument("a file made by `segpipe bundle`", metavar="FILE")
    images: str = argument(
        "a folder of images and videos (walked recursively), one file, a glob in quotes, or a text file of paths",
        metavar="IMAGES",
    )
    out: Path = argument("folder for the masks, new or begun with the same bundle", metavar="OUT", faces=("terminal",))
    formats: tuple[str, ...] = formats_option()
    frame_step: int | None = option(
        None,
        "of videos every N-th frame is taken, 1: all of them [about one a second]",
        metavar="N",
        limits={"ge": 0},
        was=("every",),
        of="index.frame_step",
    )
    part: str | None = option(
        None,
        "do one part of this call, such as 3/100; auto: take parts by leases until none is left; env: the part that "
        "Slurm, SkyPilot or torchrun says. The same command without it joins what parts have done",
        metavar="I/N|auto|env",
        faces=("terminal",),
    )
    lease_minutes: float = option(
        10.0, "take over a part whose worker was not heard of for so long", limits={"gt": 0}, faces=("terminal",)
    )
    device: str | None = option(None, "where networks run: auto, cpu, cuda, cuda:1 or mps [auto]", of="runtime.device")
    workers: int | None = option(
        None, "images worked on side by side; 0 = one per processor [0]", limits={"ge": 0}, of="runtime.workers"
    )
