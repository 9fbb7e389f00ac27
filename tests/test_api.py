"""The functions that the commands are in Python."""

import segpipe
from segpipe import api


def test_every_function_is_the_one_of_the_module() -> None:
    for name in set(segpipe.__all__) - {"__version__"}:
        assert getattr(segpipe, name) is getattr(api, name)
