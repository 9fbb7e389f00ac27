"""The map: swipe, outlines, opacity, what lies under the pointer, a mosaic, and the number of classes."""

import re

import numpy as np
import pytest
import yaml

from segpipe.store import masks
from tests.helpers.view_page import CENSUS, PIXEL, Seen

COMMON = "color => color !== 'none'"


def middle(seen: Seen) -> tuple[float, float]:
    box = seen.page.locator("#map").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_colors_on_the_map_are_those_of_the_mask(seen: Seen) -> None:
    seen.show("reef_04")
    mask = masks.read_mask(masks.mask_path(seen.run / "masks", "reef_04"))
    wanted = {seen.color(cluster): float((mask == cluster).mean()) for cluster in np.unique(mask).tolist()}

    drawn = {color: count for color, count in seen.census().items() if color != "none"}

    shares = {color: count / sum(drawn.values()) for color, count in drawn.items()}
    assert shares == pytest.approx(wanted, abs=0.02)


def test_the_swipe_cuts_the_layer_and_moves_by_keys_and_by_drag(seen: Seen) -> None:
    overlay, bar = seen.page.locator("#map .overlay"), seen.page.get_by_role("slider", name="Swipe")

    seen.page.get_by_label("Swipe", exact=True).check()
    assert overlay.evaluate("node => node.style.clipPath") == "inset(0px 0px 0px 50%)"
    bar.focus()
    seen.page.keyboard.press("ArrowRight")
    assert overlay.evaluate("node => node.style.clipPath") == "inset(0px 0px 0px 52%)"
    x, y = middle(seen)
    box = bar.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] / 2, y)
    seen.page.mouse.down()
    seen.page.mouse.move(x - 150, y, steps=4)
    seen.page.mouse.up()
    assert float(bar.get_attribute("aria-valuenow") or 0) < 40
    seen.page.keyboard.press("s")
    assert overlay.evaluate("node => node.style.clipPath") == ""


def test_outlines_leave_lines_alone(seen: Seen) -> None:
    before = seen.census()

    seen.page.get_by_label("Outlines").check()
    seen.wait(f"count => ({CENSUS})().none > count", before.get("none", 0))

    drawn = [sum(count for color, count in found.items() if color != "none") for found in (before, seen.census())]
    assert 0 < drawn[1] < 0.5 * drawn[0]


def test_classes_fade_with_the_slider_and_go_by_key(seen: Seen) -> None:
    overlay = seen.page.locator("#map .overlay")

    seen.page.get_by_label("Opacity of the classes").fill("20")
    assert overlay.evaluate("node => node.style.opacity") == "0.2"
    seen.page.locator("#strip").focus()
    seen.page.keyboard.press("c")
    assert overlay.evaluate("node => node.style.opacity") == "0"
    assert not seen.page.get_by_role("checkbox", name="Classes").is_checked()


def test_the_pointer_is_told_class_place_and_margin_and_a_click_selects(seen: Seen) -> None:
    seen.show("reef_04")
    x, y = middle(seen)

    seen.page.mouse.move(x, y)
    seen.page.locator("#readout", has_text="margin").wait_for()
    said = seen.page.locator("#readout").inner_text()
    seen.page.mouse.click(x, y)

    selected = seen.page.locator(".card.selected")
    selected.wait_for()
    cluster = int(selected.get_attribute("data-cluster") or -1)
    place = re.fullmatch(r"cluster (\d+) · row (\d+), column (\d+) · margin [01]\.\d\d", said)
    assert place is not None, said
    mask = masks.read_mask(masks.mask_path(seen.run / "masks", "reef_04"))
    assert [int(place[1]), mask[int(place[2]), int(place[3])]] == [cluster, cluster]
    box = seen.page.locator("#map").bounding_box()
    assert box is not None
    red, green, blue, alpha = seen.page.evaluate(PIXEL, {"x": x - box["x"], "y": y - box["y"]})
    assert (f"#{red:02x}{green:02x}{blue:02x}", alpha) == (seen.color(cluster), 255)


def test_a_mosaic_is_shown_with_its_coordinates(seen: Seen) -> None:
    seen.show("mosaic")
    x, y = middle(seen)

    seen.page.mouse.move(x, y)
    seen.page.locator("#readout", has_text="-").wait_for()
    for _ in range(3):
        seen.page.get_by_role("button", name="Zoom in").click()
    seen.page.wait_for_function("() => document.querySelector('#map canvas').width > 0")

    facts = seen.page.locator("#strip [aria-selected=true]").inner_text()
    assert "mosaic" in facts
    assert [url for url in seen.tiles() if "/tile/index/6/1/" in url]


def test_the_slider_recolors_without_asking_and_keep_writes_the_setting(seen: Seen) -> None:
    slider = seen.page.get_by_label("Number of classes, a preview")
    most = str(slider.get_attribute("max"))
    seen.show("reef_04")

    slider.fill(most)
    seen.wait(f"count => Object.keys(({CENSUS})()).filter({COMMON}).length > count", 4)
    seen.page.locator("#map-note", has_text=f"preview of {most} classes").wait_for()
    seen.quiet()
    asked = len(seen.tiles())
    slider.fill("2")
    seen.wait(f"() => Object.keys(({CENSUS})()).filter({COMMON}).length <= 2")
    assert len(seen.tiles()) == asked
    slider.fill("3")
    with seen.done("keep_k"):
        seen.page.get_by_role("button", name="Write this number").click()

    seen.page.locator("#slider", has_text="cluster.k = 3").wait_for()
    assert yaml.safe_load((seen.run / "config.yaml").read_text("utf-8"))["cluster"]["k"] == 3


@pytest.mark.parametrize("way", ["Escape", "Back"])
def test_the_preview_ends(seen: Seen, way: str) -> None:
    slider = seen.page.get_by_label("Number of classes, a preview")
    before = slider.input_value()
    slider.fill("2")
    seen.page.locator("#map-note").wait_for()

    if way == "Back":
        seen.page.get_by_role("button", name="End the preview").click()
    else:
        slider.press("Escape")

    seen.page.locator("#map-note").wait_for(state="hidden")
    assert slider.input_value() == before
