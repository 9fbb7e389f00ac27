"""Settings of the whole test run, and the fixtures that several modules share."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # several test processes share the processors
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def one_torch_thread() -> Iterator[None]:
    """Tiny networks are slower on more threads, and much slower on a busy machine."""
    import torch  # not for the many modules that need none

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def fresh_logging() -> None:
    """A command run by an earlier test in this process set up logging for a terminal: `caplog` would see nothing."""
    logger = logging.getLogger("segpipe")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
