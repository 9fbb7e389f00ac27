"""Options of `segpipe run` and of the command of every stage, made from the stages' settings."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import create_model

from segpipe import pipeline
from segpipe.base.config import metavar_of, short_flags
from segpipe.base.options import Options, argument, option
from segpipe.stages import STAGES, Stage, sharing_of
from segpipe.stages.export.settings import formats_option, only_option
from segpipe.store.leases import LEASE_MINUTES

IMAGES = (
    "a folder of photographs, mosaics and videos (walked recursively), one file, a glob in quotes, or a text file of "
    "paths; of a video about one frame a second is taken"
)
_EVERYWHERE = ("backbone", "weights", "seed")
"""Settings that have the same short spelling in every command."""
PART = (
    "do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the part that "
    "Slurm, SkyPilot or torchrun says"
)
LEASE = "take over a part whose worker was not heard of for so long"
_FORMATS = "what to export, beside what the run has exported"
StageName = Literal["index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report"]
_CONFIG = f"settings to start from: a YAML file or {', '.join(pipeline.config_names())}"


class RunOptions(Options):
    """Do every stage, from images to class maps and a report; skip what is up to date.

    An existing RUN keeps its settings; --config replaces them, and --set or an option of a setting, such as
    --cluster.k, changes single ones.
    """

    images: str = argument(IMAGES, metavar="IMAGES", of="index.images")
    run: Path = argument("the run directory, new or begun", metavar="RUN")
    config: str | None = option(None, _CONFIG, flags=("--config", "-c"), metavar="NAME|FILE")
    backbone: str | None = option(None, "one of `segpipe backbones`, or of timm", metavar="NAME", of="extract.backbone")
    weights: str | None = option(None, "file of the backbone's weights", metavar="FILE", of="extract.weights")
    device: str | None = option(None, "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int | None = option(
        None, "processes and threads side by side; 0 = one per processor", limits={"ge": 0}, of="runtime.workers"
    )
    seed: int | None = option(
        None,
        "seed of every stage",
        limits={"ge": 0},
        of=" ".join(f"{name}.seed" for name, section in pipeline.SECTIONS.items() if "seed" in section.model_fields),
    )
    formats: tuple[str, ...] = formats_option(_FORMATS)
    preview: int | None = option(
        None,
        "first on an even sample of so many images: all stages in minutes; the same command without it goes on from "
        "there",
        metavar="N",
        limits={"ge": 1},
        of="index.preview",
    )
    keep_classes: bool = option(
        False,
        "the classes stay those that the run has, although its images are others now: head and clusters are not made "
        "anew, in later runs neither, until `--force cluster`",
    )
    start: StageName | None = option(None, "first stage; the ones before it must be up to date", flags=("--from",))
    stop: StageName | None = option(None, "last stage", flags=("--to",))
    force: tuple[StageName, ...] = option((), "run this stage although it is up to date; repeatable")
    engine: Literal["here", "ray"] = option(
        "here", "where parts of the run are done: in this process, or by Ray Data on a cluster (extra `ray`)"
    )
    engine_address: str | None = option(
        None, "of a Ray cluster that is there, such as auto or ray://host:10001; a local one is begun without it"
    )
    engine_workers: int = option(0, "actors side by side; 0: one per CPU of the cluster but one", limits={"ge": 0})
    dry_run: bool = option(False, "print what would be done and why; change nothing", faces=("terminal",))


def stage_options(stage: Stage) -> type[Options]:
    """The options of a stage's command: the run, the settings that have a short spelling, and `--force`."""
    name = stage.NAME
    fields: dict[str, Any] = {}
    if name == "index":
        fields["images"] = (str, argument(IMAGES, metavar="IMAGES", of="index.images"))
    fields["run"] = (Path, argument("the run directory", metavar="RUN"))
    if name == "index":
        fields["config"] = (str | None, option(None, _CONFIG, flags=("--config", "-c"), metavar="NAME|FILE"))
    for key, field in stage.Config.model_fields.items():
        flags = short_flags(field) or ((f"--{key}",) if key in _EVERYWHERE else ())
        if key == "formats":
            fields[key] = (tuple[str, ...], formats_option(_FORMATS))
            fields["only"] = (tuple[str, ...], only_option())
        elif flags:
            plain = (kind | None for kind in (float, int, bool) if kind.__name__ in str(field.annotation))
            kind = next(plain, str | None)
            said = option(None, field.description or "", flags=flags, metavar=metavar_of(field), of=f"{name}.{key}")
            fields[key] = (kind, said)
    for key in ("device", "workers"):
        info = RunOptions.model_fields[key]
        fields[key] = (info.annotation, info)
    fields["force"] = (bool, option(False, "run although it is up to date"))
    if sharing_of(stage) is not None:
        fields["part"] = (str | None, option(None, PART, metavar="I/N|auto|env"))
        fields["lease_minutes"] = (float, option(LEASE_MINUTES, LEASE, limits={"gt": 0}))
    made = create_model(f"{name.capitalize()}Options", __base__=Options, **fields)
    made.__doc__ = _help(stage)
    return made


def _help(stage: Stage) -> str:
    """The first paragraphs of a stage's docstring, without its name."""
    own = re.sub(r"\.\w*settings$", "", stage.Config.__module__)  # where it does not stand in the stage's own file
    first, *rest = (sys.modules[own].__doc__ or "").split("\n\n")
    title = first.split(":", 1)[-1].strip()
    return "\n\n".join([title[:1].upper() + title[1:], *(f"\b\n{part}" for part in rest[:1])])


STAGE_OPTIONS = {stage.NAME: stage_options(stage) for stage in STAGES}
"""Of every stage's command, by the stage's name."""
