"""For everyone: narrow and wide, light and dark, by keys alone, nothing serious for axe, what is told of the run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.view_page import NARROW, WIDE, Seen, page_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((node) => {
  const box = node.getBoundingClientRect();
  const clips = (up) => ['hidden', 'auto', 'clip'].includes(getComputedStyle(up).overflowX);
  const isCut = (up) => up && up !== document.body && (clips(up) || isCut(up.parentElement));
  const isOut = box.right > innerWidth + 0.5 || box.left < -0.5;
  return box.width > 0 && isOut && !isCut(node.parentElement) && !node.closest('.skip');
}).map((node) => node.outerHTML.slice(0, 120))"""
TABS = ("Classes", "Alike", "Points")


def faults(seen: Seen) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(seen.page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {json.dumps([node['html'][:160] for node in each['nodes'][:3]])}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing_serious(browser: "Browser", run: Path, size: tuple[int, int], scheme: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    from segpipe.commands.view.run import serving

    with serving(run) as (served, _), page_at(browser, served.address, run, size=size, scheme=scheme) as seen:
        first = seen.order()[0]
        seen.rename(first, "sand")
        seen.card(first).locator(".swatch").click()
        seen.page.keyboard.press("s")
        seen.page.keyboard.press("b")
        for name in TABS if size == WIDE else ("Images", *TABS):
            seen.page.get_by_role("tab", name=name).click()
            assert faults(seen) == [], name
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
            assert seen.page.evaluate(OUTSIDE) == []
        seen.page.keyboard.press("?")
        seen.page.locator("#keys").wait_for()
        assert faults(seen) == []


def test_a_narrow_page_names_a_class_and_shows_another_image(browser: "Browser", run: Path) -> None:
    from segpipe.commands.view.run import serving

    with serving(run) as (served, _), page_at(browser, served.address, run, size=NARROW) as seen:
        seen.rename(seen.order()[0], "sand")
        seen.page.get_by_role("tab", name="Images").click()
        seen.show("reef_05")
        seen.page.get_by_role("tab", name="Classes").click()
        assert seen.name(seen.order()[0]).input_value() == "sand"
        map_box = seen.page.locator("#map").bounding_box()
        assert map_box is not None
        assert map_box["width"] == 400
        assert map_box["height"] > 200


def test_keyboard_alone_names_merges_and_undoes(seen: Seen) -> None:
    press, type_in = seen.page.keyboard.press, seen.page.keyboard.type
    first, second, third = seen.order()[:3]

    press("g")
    with seen.done("name"):
        type_in("sand")
        press("Enter")
    with seen.done("name"):
        type_in("rock")
        press("ArrowDown")
    assert [seen.classes()[cluster]["name"] for cluster in (first, second)] == ["sand", "rock"]
    for _ in range(40):
        press("Tab")
        if seen.page.evaluate("document.activeElement.tagName") == "SELECT":
            break
    type_in("rock")
    press("Tab")
    with seen.done("merge"):
        press("Enter")
    assert seen.classes()[third]["merge_into"] in (second, "rock")
    seen.card(third).wait_for(state="detached")
    assert seen.page.evaluate("document.activeElement.closest('.card')?.dataset.cluster") == str(second)
    with seen.done("undo"):
        press("Control+z")
    seen.card(third).wait_for()


def test_every_control_is_reached_by_tab(seen: Seen) -> None:
    wanted = {
        "search",
        "strip",
        "shown",
        "opacity",
        "outlines",
        "swipe",
        "beside",
        "zoom-in",
        "help",
        "tab-classes",
    }
    reached = set[str]()
    for _ in range(80):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert wanted <= reached
    assert {"openseadragon-canvas", "name", "swatch"} <= reached


def test_the_dialog_of_keys_opens_and_letters_can_be_switched_off(seen: Seen) -> None:
    seen.page.keyboard.press("?")
    seen.page.get_by_label("Single letters work").uncheck()
    seen.page.keyboard.press("Escape")
    seen.page.locator("#keys").wait_for(state="hidden")

    seen.page.locator("#strip").focus()
    seen.page.keyboard.press("l")

    assert not seen.page.get_by_label("Outlines").is_checked()


def test_what_the_server_says_of_the_run_is_shown(seen: Seen) -> None:
    def told(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        state = answer.json()
        state |= {
            "version": state["version"] + 1,
            "busy": "segpipe run <b>works</b> on this run (pid 123)",
            "job": {"what": "segpipe name RUN --split 1", "done": 3, "of": 10, "line": "refine 3/10", "failed": None},
            "stale": ["export", "report"],
            "refresh": "segpipe run IMAGES RUN --from export",
        }
        route.fulfill(json=state)  # type: ignore[attr-defined]

    seen.page.route("**/a/api/state", told)

    banners, working = seen.page.locator("#banners"), seen.page.locator("#working")
    banners.get_by_text("(pid 123)").wait_for()
    assert "<b>works</b>" in banners.inner_text()
    assert "refine 3/10" in working.inner_text()
    assert "Out of date: export, report" in seen.page.locator("#stale").inner_text()
    assert working.locator("progress").get_attribute("value") == "3"
    seen.page.unroute("**/a/api/state")
    banners.get_by_text("(pid 123)").wait_for(state="detached")


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_work_that_begins_and_ends_by_itself_moves_nothing(seen: Seen, size: tuple[int, int]) -> None:
    def told(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        state = answer.json()
        job = {"what": "segpipe name RUN --split 1", "done": 3, "of": 10, "line": "refine 3/10", "failed": None}
        state |= {
            "version": state["version"] + 1,
            "drawing": {"image": 0, "share": 0.5},
            "job": job,
            "stale": ["report"],
            "refresh": "segpipe run",
        }
        route.fulfill(json=state)  # type: ignore[attr-defined]

    seen.page.set_viewport_size({"width": size[0], "height": size[1]})
    seen.page.locator("#working:empty").wait_for(state="attached")
    box = seen.page.locator("#map").bounding_box()

    seen.page.route("**/a/api/state", told)
    seen.page.locator("#working", has_text="smaller copy").wait_for()

    assert seen.page.locator("#map").bounding_box() == box
    seen.page.unroute("**/a/api/state")
    seen.page.locator("#working:empty").wait_for(state="attached")


def test_other_masks_are_loaded_again(seen: Seen) -> None:
    before = set(seen.tiles())

    def other(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        state = answer.json() | {"artefacts": "another", "version": answer.json()["version"] + 1}
        route.fulfill(json=state)  # type: ignore[attr-defined]

    seen.page.route("**/a/api/state", other)

    seen.page.locator(".toast", has_text="have changed").wait_for()
    seen.wait("() => performance.getEntriesByType('resource').some((one) => one.name.endsWith('v=another'))")
    seen.settle()
    assert set(seen.tiles()) > before
