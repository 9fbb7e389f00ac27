import platform
import re

import numpy

from segpipe.base import version


def test_versions_are_those_of_the_libraries_that_are_loaded(monkeypatch) -> None:
    monkeypatch.setattr(version, "_NAMES", (*version._NAMES, "no-such-library-anywhere"))
    found = version.versions()
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["segpipe"])
    assert found["python"] == platform.python_version()
    assert found["numpy"] == numpy.__version__
    assert {"torch", "timm", "zarr", "numba"} <= found.keys()
    assert "no-such-library-anywhere" not in found
