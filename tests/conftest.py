"""Settings of the whole test run, and the fixtures that several modules share."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from segpipe.base.remote_path import RemotePath

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


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """The address of an object store; tests that ask for it are skipped where it cannot be started."""
    from tests.helpers.object_server import served  # not for the many modules that need none

    with served() as address:
        yield address


@pytest.fixture
def bucket(object_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    """An empty bucket, which this process has the credentials of; the cache of objects lies in `tmp_path/cache`."""
    from tests.helpers.object_server import environment, new_bucket

    for name, value in environment(object_server, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    return new_bucket(object_server)
