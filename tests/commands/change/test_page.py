"""The page."""

from pathlib import Path

import pytest

from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.comparison import compare
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.page import build_page, render
from tests.commands.change.conftest import SameGround
from tests.commands.change.test_text import comparison
from tests.helpers import chromium


def test_the_table_says_what_may_be_said() -> None:
    page = build_page(comparison(300), None, [("seed", "0")])
    assert [anchor for anchor, _ in page.contents] == ["cover", "table", "how"]
    text = render(page)
    assert '<td class="sure">less</td>' in text
    assert "-10.0" in text
    beside = build_page(comparison(300), comparison(400), [])
    assert beside.before is not None
    assert beside.before.rows[0][:2] == ("class 0", "0.0 (within noise)")


@pytest.mark.skipif(chromium.find() is None, reason="no Chromium here")
def test_the_page_in_a_browser(same_ground: SameGround, tmp_path: Path) -> None:
    given = make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 100})
    found = compare(same_ground.surveys, None, given, no_track, out=None)
    path = tmp_path / "index.html"
    path.write_text(render(build_page(found, found, [("images", "1 and 1")])), encoding="utf-8")
    program = chromium.find()
    assert program is not None
    with chromium.open_tab(program) as tab:
        for width in (1200, 400):
            chromium.look(tab, path, width)
