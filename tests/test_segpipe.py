"""What `import segpipe` offers, and what it costs."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import segpipe
from segpipe.stages import STAGES


def test_every_stage_and_every_name_it_lists_is_there() -> None:
    assert {stage.NAME for stage in STAGES} <= set(segpipe.__all__)
    for name in segpipe.__all__:
        assert name == "__version__" or (callable(getattr(segpipe, name)) and getattr(segpipe, name).__doc__)
    with pytest.raises(AttributeError, match=r"module 'segpipe' has no attribute 'clutser'"):
        _ = segpipe.clutser  # type: ignore[attr-defined]


def test_dir_lists_every_name_once() -> None:
    listed = dir(segpipe)
    assert set(segpipe.__all__) <= set(listed)
    assert len(listed) == len(set(listed))


def test_type_checkers_are_told_the_names_that_are_offered() -> None:
    """They cannot follow a lazy import: an own block of imports tells them."""
    tree = ast.parse(Path(segpipe.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told | {"__version__"} == set(segpipe.__all__)
    assert sorted(segpipe.__all__) == segpipe.__all__


def test_the_version_is_that_of_the_installed_package() -> None:
    assert segpipe.__version__ == metadata.version("segpipe")


def loaded_by(code: str) -> set[str]:
    """Which of the slow modules a fresh interpreter holds after some code."""
    slow = {"torch", "faiss", "timm", "numba", "matplotlib", "scipy.stats", "scipy.optimize"}
    slow |= {"segpipe.api", "segpipe.pipeline"}
    line = f"import sys\n{code}\nprint(*sorted({slow} & set(sys.modules)))"
    return {*subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True).stdout.split()}


def test_importing_it_loads_neither_torch_nor_faiss() -> None:
    assert loaded_by("import segpipe; segpipe.__version__; dir(segpipe)") == set()
    assert loaded_by("from segpipe import *; run, Run") == {"segpipe.api", "segpipe.pipeline"}


def test_the_command_line_loads_no_slow_library_before_it_has_work() -> None:
    assert loaded_by("import segpipe.cli.app") - {"segpipe.api", "segpipe.pipeline"} == set()
