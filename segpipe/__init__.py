"""segpipe: from a folder of images and not one label to class maps.

Every command has a function of the same name here, such as `segpipe.run("photos", "runs/reef")`, and
`segpipe.open("runs/reef")` shows what a run has made.
"""

from typing import TYPE_CHECKING, Any

from segpipe.base.version import __version__

if TYPE_CHECKING:
    from segpipe.api import (
        apply,
        attend,
        bundle,
        change,
        check,
        cluster,
        cover,
        doctor,
        evaluate,
        export,
        extract,
        index,
        masks,
        merge,
        mine,
        name,
        open,
        plan,
        pretrain,
        probe,
        propagate,
        refine,
        report,
        robustness,
        run,
        sample,
        similar,
        status,
        track,
        train,
    )
    from segpipe.results import Run

__all__ = [
    "Run",
    "__version__",
    "apply",
    "attend",
    "bundle",
    "change",
    "check",
    "cluster",
    "cover",
    "doctor",
    "evaluate",
    "export",
    "extract",
    "index",
    "masks",
    "merge",
    "mine",
    "name",
    "open",
    "plan",
    "pretrain",
    "probe",
    "propagate",
    "refine",
    "report",
    "robustness",
    "run",
    "sample",
    "similar",
    "status",
    "track",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # only who asks for one pays for loading it
        from segpipe import api

        return getattr(api, name)
    raise AttributeError(f"module 'segpipe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
