"""One finished run for all tests of the viewer, and copies of it that they may change."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers import view_page
from tests.helpers.chromium import find
from tests.helpers.view_run import Client, client_of, copied, make_finished

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    if find() is None:
        pytest.skip("there is no chromium")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with view_page.browser_at_work() as found:
        yield found


@pytest.fixture(scope="session")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the page is tried with: photographs and a mosaic. Not to be changed."""
    return view_page.small_run(tmp_path_factory.mktemp("photographed"))


@pytest.fixture
def run(photographed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographed, tmp_path / "reef"))


@pytest.fixture
def seen(browser: "Browser", run: Path) -> Iterator[view_page.Seen]:
    """The page at its usual width, in light colors."""
    from segpipe.commands.view.run import serving

    with serving(run) as (served, _), view_page.page_at(browser, served.address, run) as found:
        yield found
