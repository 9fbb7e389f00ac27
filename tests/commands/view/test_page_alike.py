"""What is alike: a click, the sheet of patches, the heat on the map."""

from tests.helpers.view_page import CENSUS, Seen


def test_a_click_finds_places_alike_and_shows_them_as_heat(seen: Seen) -> None:
    seen.show("reef_04")
    seen.page.get_by_role("radio", name="Alike").check()
    box = seen.page.locator("#map").bounding_box()
    assert box is not None

    seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.locator(".sheet .patch").first.wait_for()

    cosines = [float(text) for text in seen.page.locator(".sheet small").all_inner_texts()]
    assert len(cosines) > 5
    assert cosines == sorted(cosines, reverse=True)
    before = len(seen.census())
    seen.page.get_by_label("Heat on the map").check()
    seen.wait(f"count => Object.keys(({CENSUS})()).length > count", before + 10)
    seen.page.locator("#map-note", has_text="the more alike").wait_for()
    seen.page.keyboard.press("Escape")
    seen.wait(f"count => Object.keys(({CENSUS})()).length === count", before)


def test_a_patch_leads_to_its_place(seen: Seen) -> None:
    seen.page.keyboard.press("a")
    seen.page.keyboard.press("m")
    seen.page.keyboard.press("Enter")
    patch = seen.page.locator(".sheet .patch").last
    patch.wait_for()
    path = str(patch.get_attribute("title")).rsplit(", cosine", 1)[0]

    patch.click()

    seen.page.locator("#title", has_text=path).wait_for()
    seen.settle()
    assert seen.page.locator("#strip [aria-selected=true]").get_attribute("title") == path
