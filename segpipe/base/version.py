"""Versions: of this package, read by the build too, and of the libraries that a result may depend on."""

import platform
from functools import cache
from importlib import metadata

__version__ = "0.1.0"

_NAMES = (
    "torch",
    "timm",
    "numpy",
    "zarr",
    "scikit-learn",
    "opencv-python-headless",
    "kornia",
    "numba",
    "faiss-gpu",
    "faiss-cpu",
)


def versions() -> dict[str, str]:
    """Versions of segpipe, Python and the libraries that compute; those that are not installed are left out."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"segpipe": __version__, "python": platform.python_version()}
    for name in _NAMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
