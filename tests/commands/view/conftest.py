"""One finished run for all tests of the viewer, and copies of it that they may change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.view_run import Client, client_of, copied, make_finished


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    return make_finished(tmp_path_factory.mktemp("viewed"))


@pytest.fixture
def reef(finished: Path, tmp_path: Path) -> Path:
    """A copy."""
    return copied(finished, tmp_path)


@pytest.fixture(scope="module")
def client(finished: Path) -> Iterator[Client]:
    """Of a server of the run that is not to be changed."""
    with client_of(finished) as found:
        yield found
