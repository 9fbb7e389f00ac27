"""The page of `segpipe view` in a real browser: a small run, a browser, and a page that may complain of nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import segpipe
from segpipe.commands.demo import samples
from segpipe.commands.demo.synthetic import write_reef_corpus
from tests.helpers.chromium import find
from tests.helpers.quick_run import CLASSICAL, SMALL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
MILLISECONDS = 30_000
WIDE, NARROW = (1280, 800), (400, 800)
READ = """(selector) => {
  const canvas = document.querySelector(selector);
  const copy = new OffscreenCanvas(Math.max(1, canvas.width), Math.max(1, canvas.height));
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height);
}"""
"""The pixels of a canvas; of a copy, so that the page's own stays where it is."""
PIXEL = f"""({{x, y}}) => {{
  const canvas = document.querySelector('#map .overlay');
  const ratio = canvas.width / canvas.clientWidth;
  const {{ data, width }} = ({READ})('#map .overlay');
  const at = 4 * (Math.round(y * ratio) * width + Math.round(x * ratio));
  return [...data.slice(at, at + 4)];
}}"""
"""The color of the layer of classes at a place of the map, RGBA."""
CENSUS = f"""() => {{
  const {{ data }} = ({READ})('#map .overlay');
  const found = {{}};
  for (let i = 0; i < data.length; i += 4) {{
    const key = data[i + 3] ? '#' + [0, 1, 2].map(c => data[i + c].toString(16).padStart(2, '0')).join('') : 'none';
    found[key] = (found[key] ?? 0) + 1;
  }}
  return found;
}}"""
"""How many pixels of the layer of classes have which color."""


def small_run(folder: Path) -> Path:
    """A finished run in `folder/run`: six drawn photographs, one of them in a folder of its own, and a small mosaic."""
    write_reef_corpus(folder, images=6, seed=3)
    survey = folder / "images" / "survey"
    survey.mkdir()
    samples.write_mosaic(folder / "labels", seed=0, side=512)
    shutil.move(folder / "labels" / "mosaic.tif", survey / "mosaic.tif")
    settings = {**SMALL, **CLASSICAL, "refine.certainty": True, "mine.k": 3, "train.whiten": 8}
    segpipe.run(folder / "images", folder / "run", settings=settings, stop="refine")
    return folder / "run"


@contextmanager
def browser_at_work() -> Iterator[Browser]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=find(), args=FLAGS)
        try:
            yield found
        finally:
            found.close()


@dataclass(slots=True)
class Seen:
    """A page, the run it shows, and what it asked for."""

    page: Page
    run: Path
    asked: list[str]
    complaints: list[str]
    """What the browser has logged; a test that means something to fail clears it."""

    def classes(self) -> dict[int, dict[str, Any]]:
        """The entries of the run's file of classes, by cluster; without a file they are empty."""
        path = self.run / "classes.yaml"
        nothing = {cluster: {"name": None, "merge_into": None} for cluster in self.order()}
        return nothing | dict(yaml.safe_load(path.read_text("utf-8"))["clusters"]) if path.is_file() else nothing

    def card(self, cluster: int) -> Any:
        """The card of a cluster."""
        return self.page.locator(f".card[data-cluster='{cluster}']")

    def name(self, cluster: int) -> Any:
        """The field of a class's name."""
        return self.card(cluster).locator("input.name")

    def color(self, cluster: int) -> str:
        """The color of a class on its card, `#rrggbb`."""
        text = self.card(cluster).locator(".swatch").evaluate("node => getComputedStyle(node).backgroundColor")
        return "#" + "".join(f"{int(value):02x}" for value in re.findall(r"\d+", text)[:3])

    def order(self) -> list[int]:
        """Clusters with a card, as they stand on the page."""
        cards = self.page.locator("#cards .card")
        return [int(value) for value in cards.evaluate_all("cards => cards.map(card => card.dataset.cluster)")]

    def rename(self, cluster: int, text: str) -> None:
        """Type a name and wait until the server has it."""
        with self.done("name"):
            self.name(cluster).fill(text)
            self.name(cluster).press("Enter")

    @contextmanager
    def done(self, action: str) -> Iterator[None]:
        """Wait for the answer to an action of the block, and until the page has taken it."""
        with self.page.expect_response(lambda answer: _is_action(answer, action)) as found:
            yield
        assert found.value.status == 200, found.value.text()
        self.page.locator("body[aria-busy=false]").wait_for()

    def wait(self, expression: str, argument: Any = None) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(expression, arg=argument)

    def tiles(self) -> list[str]:
        """Tiles of numbers that were asked for so far."""
        return [url for url in self.asked if "/tile/" in url and "/tile/photo/" not in url]

    def census(self) -> dict[str, int]:
        """How many pixels of the layer of classes have which color."""
        return dict(self.page.evaluate(CENSUS))

    def show(self, name: str) -> None:
        """Show the image of the strip with this in its path, and wait for its classes."""
        self.page.locator("#strip [role=option]", has_text=name).first.click()
        self.page.locator("#title", has_text=name).wait_for()
        self.settle()

    def quiet(self) -> None:
        """Wait until no tile was asked for in half a second."""
        before = -1
        while before != len(self.tiles()):
            before = len(self.tiles())
            self.page.wait_for_timeout(500)

    def settle(self) -> None:
        """Wait until classes are drawn."""
        self.wait(f"() => Object.entries(({CENSUS})()).some(([color, count]) => color !== 'none' && count > 1000)")


def _is_action(answer: Any, action: str) -> bool:
    return bool(answer.url.endswith("/api/do") and answer.request.post_data_json["action"] == action)


@contextmanager
def page_at(
    browser: Browser, address: str, run: Path, *, size: tuple[int, int] = WIDE, scheme: str = "light"
) -> Iterator[Seen]:
    """The page, loaded; when the block ends nothing may have been logged, failed or refused."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(MILLISECONDS)
    page = context.new_page()
    complaints, asked = list[str](), list[str]()
    _listen(page, complaints.append, asked.append)
    try:
        page.goto(address)
        seen = Seen(page, run, asked, complaints)
        page.locator("#cards .card").first.wait_for(state="attached")
        seen.settle()
        yield seen
        others = [url for url in asked if not url.startswith(address.split("/?")[0])]
        if complaints or others:
            raise AssertionError(f"the browser complained: {complaints}; asked elsewhere: {others}")
    finally:
        context.close()


def _listen(page: Page, complain: Callable[[str], None], ask: Callable[[str], None]) -> None:
    page.on("console", lambda message: complain(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complain(str(error)))
    page.on("response", lambda answer: complain(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda request: ask(request.url) if not request.url.startswith(("data:", "blob:")) else None)
