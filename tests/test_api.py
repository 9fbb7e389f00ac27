"""What `import segpipe` offers."""

import subprocess
import sys

import pytest

import segpipe
from segpipe import api
from segpipe.stages import STAGES


def test_every_stage_and_every_name_it_lists_is_there() -> None:
    assert {stage.NAME for stage in STAGES} <= set(segpipe.__all__)
    for name in segpipe.__all__:
        assert name == "__version__" or (callable(getattr(segpipe, name)) and getattr(segpipe, name).__doc__)
    assert set(segpipe.__all__) <= set(dir(segpipe))
    with pytest.raises(AttributeError, match="clutser"):
        _ = segpipe.clutser  # type: ignore[attr-defined]


def test_importing_it_loads_neither_torch_nor_faiss() -> None:
    code = "import sys, segpipe; segpipe.run; print(sorted({'torch', 'faiss', 'timm', 'numba'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"


def test_every_function_is_the_one_of_the_module() -> None:
    for name in set(segpipe.__all__) - {"__version__"}:
        assert getattr(segpipe, name) is getattr(api, name)
