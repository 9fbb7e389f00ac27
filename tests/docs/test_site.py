"""The site of the docs: built strictly, complete, and it asks no other server for anything."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.helpers import chromium
from tests.helpers.pages import DOCS, PAGES

WAIT_FOR_RESULTS = """(async () => {
  for (let turn = 0; turn < 200; turn++) {
    const found = [...document.querySelectorAll('#search-results li a')].map(link => link.textContent);
    if (found.some(title => title.includes('Cover'))) return found;  // they come one after the other
    await new Promise(done => setTimeout(done, 50));
  }
  return [];
})()"""

pytest.importorskip("sphinx", reason="the docs extra is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


class _Addresses(HTMLParser):
    """What a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {key: value or "" for key, value in attrs}
        if tag in ("script", "img", "iframe", "source", "video", "object"):
            self.loaded += [known[key] for key in ("src", "data") if known.get(key)]
        if tag == "link" and known.get("rel") in ("stylesheet", "icon", "shortcut icon", "preload", "preconnect"):
            self.loaded.append(known["href"])


def test_every_page_is_there(site: Path) -> None:
    for page in PAGES[1:]:
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file()
    assert (site / "tutorials" / "notebook.html").is_file()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        reader = _Addresses()
        reader.feed(page.read_text("utf-8"))
        assert reader.loaded
        for address in reader.loaded:
            if address.startswith("data:"):
                continue
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
            assert (page.parent / address.split("?")[0]).exists(), f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"]?(https?:)?//", style.read_text("utf-8"))


def test_formulas_are_drawn_by_the_browser(site: Path) -> None:
    text = (site / "explanation" / "methods.html").read_text("utf-8")
    assert text.count("<math") > 10
    assert "\\frac" not in re.sub(r"<annotation.*?</annotation>", "", text, flags=re.S)


def test_search_finds_words_of_the_pages(site: Path) -> None:
    text = (site / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    for word, page in (("olofsson", "explanation/methods"), ("taglab", "howto/taglab"), ("jerlov", "howto/robustness")):
        numbers: list[int] = []
        for part in ("terms", "titleterms"):
            found = index[part].get(word, [])
            numbers += found if isinstance(found, list) else [found]
        assert page in [index["docnames"][number] for number in numbers]


@pytest.fixture(scope="module")
def tab() -> Iterator[chromium.Tab]:
    program = chromium.find()
    if program is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with chromium.open_tab(program) as tab:
        yield tab


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "name", ["index", "tutorials/photos", "tutorials/notebook", "explanation/methods", "reference/settings"]
)
def test_a_browser_opens_pages_without_an_error_or_a_request(
    name: str, width: int, site: Path, tab: chromium.Tab
) -> None:
    found, asked = chromium.visit(tab, site / f"{name}.html", width)
    assert found["scroll"] <= width
    assert found["broken"] == []
    assert found["unnamed"] == 0
    assert asked
    assert all(address.startswith("file://") for address in asked)


def test_search_answers_in_the_browser(site: Path, tab: chromium.Tab) -> None:
    tab.events.clear()
    tab.send("Page.navigate", url=f"{(site / 'search.html').as_uri()}?q=cover")
    tab.wait("Page.loadEventFired")
    found = tab.evaluate(WAIT_FOR_RESULTS)
    assert any("Cover" in title for title in found)
