"""The table of formats: every name leads to the function of that name, loaded when it is written."""

import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.stages.export import formats


@pytest.mark.parametrize("group", formats._GROUPS)
def test_every_name_has_its_function(group: str) -> None:
    made = formats._GROUPS[group]()
    assert set(made) == set(formats.GROUPS[group])
    assert all(function.__name__ == f"export_{name}" for name, function in made.items())


def test_no_name_is_in_two_groups_and_formats_get_what_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    from segpipe.stages.export.formats import taglab

    names = [name for group in formats.GROUPS.values() for name in group]
    assert sorted(names) == sorted(set(names)) == sorted(formats.FORMATS)
    monkeypatch.setattr(taglab, "export_taglab", lambda source, out: (source, out))
    assert formats.FORMATS["taglab"]("source", Path("out")) == ("source", Path("out"))  # type: ignore[arg-type]


def test_the_table_alone_loads_no_writer() -> None:
    code = (
        "import sys; from segpipe.stages.export.formats import FORMATS; "
        "print(sorted({'pyogrio', 'numba'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"
