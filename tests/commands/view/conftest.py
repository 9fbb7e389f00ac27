"""One small run and one browser for the tests of the page; every test looks at a copy of the run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers import view_page
from tests.helpers.chromium import find
from tests.helpers.view_page import Seen

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return view_page.small_run(tmp_path_factory.mktemp("viewed"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if find() is None:
        pytest.skip("there is no chromium")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with view_page.browser_at_work() as found:
        yield found


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "reef"))


@pytest.fixture
def seen(browser: Browser, run: Path) -> Iterator[Seen]:
    """The page at its usual width, in light colors."""
    from segpipe.commands.view.run import serving

    with serving(run) as (served, _), view_page.page_at(browser, served.address, run) as found:
        yield found
