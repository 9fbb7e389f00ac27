from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.view.options import ViewOptions


def test_defaults() -> None:
    options = make(ViewOptions, {"run": "r"})
    assert (options.run, options.beside, options.port, options.no_open) == (Path("r"), None, 0, False)


@pytest.mark.parametrize("port", [-1, 65536, "x"])
def test_ports_have_limits(port: object) -> None:
    with pytest.raises(UsageError, match="port"):
        make(ViewOptions, {"run": "r", "port": port})
