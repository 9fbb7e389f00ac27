"""The list of images: search, filters, order, arrow keys, and that it stays small however many there are."""

from tests.helpers.view_page import Seen

MANY = """async () => {
  const { Strip } = await import('/static/strip.js');
  const listeners = {};
  const count = 5000;
  const column = (make) => Array.from({ length: count }, (_, i) => make(i));
  const run = { images: {
    id: column((i) => `${i}`), path: column((i) => `dive/${i}.jpg`), height: column(() => 10), width: column(() => 10),
    site: column(() => null), mosaic: column(() => false), doubt: column((i) => i / count),
    pixels: column(() => [[0, 100]]), geo: column(() => false) } };
  const image = (index) => ({ path: run.images.path[index], site: null, mosaic: false, doubt: 0 });
  const api = { thumb: () => 'data:,' };
  const a = { run, count, image, api, classes: () => [], pixelsOf: () => [], colorOf: () => '#000000' };
  const on = (name, does) => { listeners[name] = does; };
  const store = { a, view: { image: 4321 }, on, goTo: () => undefined, ready: Promise.resolve() };
  document.getElementById('rows').replaceChildren();
  new Strip(store);
  listeners.run();
  listeners.state();
  return { height: document.getElementById('rows').offsetHeight, rows: document.querySelectorAll('#rows > *').length,
           shown: document.querySelector('#rows [aria-selected=true]').getAttribute('aria-posinset') };
}"""


def names(seen: Seen) -> list[str]:
    return list(seen.page.locator("#strip [role=option]").evaluate_all("rows => rows.map(row => row.title)"))


def test_the_search_finds_by_words(seen: Seen) -> None:
    assert len(names(seen)) == 7

    seen.page.get_by_label("Search images by name").fill("REEF 02")

    assert names(seen) == ["bay/reef_02.jpg"]
    assert seen.page.locator("#counted").inner_text() == "1 of 7 images"


def test_a_filter_by_class_keeps_images_that_show_it(seen: Seen) -> None:
    chosen = seen.page.get_by_label("Images that show this class")
    for cluster in seen.order():
        chosen.select_option(str(cluster))
        seen.page.get_by_label("Order of the images").select_option("class")
        found = names(seen)
        assert found
        index = seen.page.evaluate("() => fetch('/a/api/run').then(answer => answer.json())")["images"]
        share = {
            path: dict(pixels).get(cluster, 0) / (height * width)
            for path, pixels, height, width in zip(
                *(index[key] for key in ("path", "pixels", "height", "width")), strict=True
            )
        }
        assert found == sorted((path for path in share if share[path] > 0), key=lambda path: -share[path])


def test_a_filter_by_site(seen: Seen) -> None:
    seen.page.get_by_label("Images of this site").select_option("=survey")

    assert names(seen) == ["survey/mosaic.tif"]


def test_least_certain_first(seen: Seen) -> None:
    seen.page.get_by_label("Order of the images").select_option("doubt")

    index = seen.page.evaluate("() => fetch('/a/api/run').then(answer => answer.json())")["images"]
    doubt = dict(zip(index["path"], index["doubt"], strict=True))
    assert names(seen) == sorted(doubt, key=lambda path: -doubt[path])


def test_arrows_go_on_and_the_address_keeps_the_image(seen: Seen) -> None:
    order = names(seen)
    seen.page.locator("#strip").focus()

    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowDown")
    seen.page.locator("#title", has_text=order[2]).wait_for()
    seen.page.keyboard.press("n")
    seen.page.locator("#title", has_text=order[3]).wait_for()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowUp")
    seen.page.locator("#title", has_text=order[0]).wait_for()
    seen.page.keyboard.press("End")
    seen.page.locator("#title", has_text=order[-1]).wait_for()
    seen.settle()
    seen.page.reload()

    seen.page.locator("#title", has_text=order[-1]).wait_for()
    seen.settle()


def test_five_thousand_images_are_a_few_rows(seen: Seen) -> None:
    found = seen.page.evaluate(MANY)

    assert found["height"] == 5000 * 58
    assert found["rows"] < 60
    assert found["shown"] == "4322"
