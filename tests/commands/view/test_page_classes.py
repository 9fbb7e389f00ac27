"""Cards of the classes: name, merge, undo, color, leave out, split, all of it seen on the map and in the file."""

import pytest

from tests.helpers.view_page import CENSUS, Seen


def test_a_name_is_typed_and_enter_goes_to_the_next_card(seen: Seen) -> None:
    first, second = seen.order()[:2]

    seen.rename(first, "sand")

    assert seen.classes()[first]["name"] == "sand"
    assert seen.page.evaluate("document.activeElement.closest('.card').dataset.cluster") == str(second)
    seen.page.locator("#last", has_text="segpipe name").wait_for()
    assert "sand" in seen.page.locator("#last").inner_text()


def test_markup_in_a_name_is_text(seen: Seen) -> None:
    first, second = seen.order()[:2]
    name = "<img src=x onerror=alert(1)><b>sand</b>"

    seen.rename(first, name)

    assert seen.name(first).input_value() == name
    seen.card(second).locator(".swatch").click()
    assert name in seen.card(second).locator(".more select").inner_text()
    seen.page.get_by_role("tab", name="Points").click()
    assert seen.page.locator(".label").inner_text().endswith(name)
    assert name in seen.page.locator("#by-class").inner_text()
    assert seen.page.locator("img[src=x], .card b, .label b").count() == 0


def test_a_card_dropped_on_another_is_merged_and_undone(seen: Seen) -> None:
    first, second = seen.order()[:2]

    with seen.done("merge"):
        seen.card(second).drag_to(seen.card(first), source_position={"x": 300, "y": 4})

    seen.card(second).wait_for(state="detached")
    assert seen.classes()[second]["merge_into"] == first
    with seen.done("undo"):
        seen.page.get_by_role("button", name="Undo").click()
    seen.card(second).wait_for()
    assert seen.classes()[second]["merge_into"] is None
    with seen.done("redo"):
        seen.page.keyboard.press("Control+y")
    seen.card(second).wait_for(state="detached")


def test_a_merge_recolors_the_map_and_fetches_no_tile(seen: Seen) -> None:
    seen.show("reef_04")
    kept, lost = sorted(seen.order()[:2])
    color = seen.color(lost)
    seen.quiet()
    before, tiles = seen.census(), seen.tiles()
    assert before[color] > 500

    seen.card(lost).locator(".swatch").click()
    seen.card(lost).locator(".more select").select_option(str(kept))
    with seen.done("merge"):
        seen.card(lost).get_by_role("button", name="Merge into the class chosen").click()
    seen.wait(f"color => !({CENSUS})()[color]", color)

    after = seen.census()
    assert sum(after.values()) == sum(before.values())
    assert after.get("none") == before.get("none")
    assert after[seen.color(kept)] == before[seen.color(kept)] + before[color]
    assert seen.tiles() == tiles
    with seen.done("unmerge"):
        seen.card(kept).locator(".chip").click()
    seen.card(lost).wait_for()


def test_another_color_is_on_the_map_at_once(seen: Seen) -> None:
    first = seen.order()[0]
    seen.card(first).locator(".swatch").click()
    color = seen.card(first).locator(".more button.dot[aria-pressed=false]").last
    wanted = str(color.get_attribute("aria-label")).removeprefix("Color ")

    with seen.done("color"):
        color.click()

    seen.wait(f"color => ({CENSUS})()[color] > 0", wanted)
    assert seen.classes()[first]["color"] == wanted


def test_left_out_and_brought_back(seen: Seen) -> None:
    first = seen.order()[0]
    seen.card(first).locator(".swatch").click()

    with seen.done("ignore"):
        seen.card(first).get_by_role("button", name="Leave this class out").click()
    seen.card(first).wait_for(state="detached")
    assert seen.classes()[first]["ignore"] is True
    with seen.done("ignore"):
        seen.page.get_by_role("button", name="Bring cluster").click()
    seen.card(first).wait_for()
    assert seen.classes()[first]["ignore"] is False


def test_alone_and_hidden_change_the_map_and_write_nothing(seen: Seen) -> None:
    first = seen.order()[0]
    before = seen.census()
    seen.card(first).locator(".swatch").click()

    seen.card(first).get_by_role("button", name="Show this class alone").click()
    seen.wait(f"() => Object.keys(({CENSUS})()).length <= 2")
    seen.page.keyboard.press("Escape")
    seen.wait(f"count => Object.keys(({CENSUS})()).length === count", len(before))
    seen.card(first).get_by_role("button", name="Hide this class").click()
    seen.wait(f"count => Object.keys(({CENSUS})()).length < count", len(before))

    assert not [url for url in seen.asked if url.endswith("/api/do")]


def test_a_split_shows_its_progress_and_makes_a_class(seen: Seen) -> None:
    before = seen.order()
    seen.card(before[0]).locator(".swatch").click()

    with seen.done("split"):
        seen.card(before[0]).get_by_role("button", name="Split this cluster in two").click()

    seen.wait("count => document.querySelectorAll('#cards .card').length === count", len(before) + 1)
    assert len(seen.classes()) == len(before) + 1


def test_escape_takes_typing_back(seen: Seen) -> None:
    field = seen.name(seen.order()[0])

    field.fill("send")
    field.press("Escape")

    assert field.input_value() == ""
    assert not [url for url in seen.asked if url.endswith("/api/do")]


def test_a_refusal_is_shown_in_its_own_words_and_the_field_goes_back(seen: Seen) -> None:
    field = seen.name(seen.order()[0])
    line = "segpipe run works on this run <b>(pid 7)</b>"
    seen.page.route("**/api/do", lambda route: route.fulfill(status=409, json={"error": line}))

    field.fill("sand")
    field.press("Enter")

    seen.page.locator(".toast.error", has_text=line).wait_for()
    seen.wait("() => document.querySelector('#cards .name').value === ''")
    seen.complaints.clear()


@pytest.mark.parametrize("key", ["u", "Control+z"])
def test_undo_by_key(seen: Seen, key: str) -> None:
    first = seen.order()[0]
    seen.rename(first, "sand")
    seen.page.locator("#strip").focus()

    with seen.done("undo"):
        seen.page.keyboard.press(key)

    seen.wait("cluster => document.querySelector(`.card[data-cluster='${cluster}'] .name`).value === ''", str(first))
    assert not seen.classes()[first]["name"]
