"""Points: by a click, by the keyboard, on suggested places; the list, the file, undo."""

import csv

from tests.helpers.view_page import Seen


def table(seen: Seen) -> list[dict[str, str]]:
    path = seen.run / "points.csv"
    return list(csv.DictReader(path.read_text("utf-8").splitlines())) if path.is_file() else []


def click_map(seen: Seen, dx: float = 0, dy: float = 0) -> None:
    box = seen.page.locator("#map").bounding_box()
    assert box is not None
    seen.page.mouse.click(box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 + dy)


def test_points_are_put_by_a_click_listed_removed_and_undone(seen: Seen) -> None:
    seen.rename(seen.order()[0], "sand")
    seen.show("reef_04")
    seen.page.get_by_role("radio", name="Point").check()
    seen.page.locator(".label", has_text="sand").click()

    with seen.done("point"):
        click_map(seen)
    with seen.done("point"):
        click_map(seen, 60, -40)

    rows = table(seen)
    assert len(rows) == 2
    assert {row["label"] for row in rows} == {"sand"}
    assert seen.page.locator(".points li").count() == 2
    seen.page.locator("h2", has_text="2 points in points.csv").wait_for()
    with seen.done("unpoint"):
        seen.page.get_by_role("button", name="Remove the point sand").first.click()
    assert table(seen) == rows[:1]
    with seen.done("undo"):
        seen.page.get_by_role("button", name="Undo").click()
    assert table(seen) == rows


def test_a_label_that_is_no_class(seen: Seen) -> None:
    seen.page.get_by_role("tab", name="Points").click()
    seen.page.get_by_label("Another label").fill("<i>tape</i>")
    seen.page.keyboard.press("Enter")

    with seen.done("point"):
        click_map(seen)

    assert table(seen)[0]["label"] == "<i>tape</i>"
    assert seen.page.locator(".go b").inner_text() == "<i>tape</i>"


def test_no_label_no_point(seen: Seen) -> None:
    seen.page.keyboard.press("x")

    click_map(seen)

    seen.page.locator(".toast", has_text="Choose a label first").wait_for()
    assert table(seen) == []


def test_suggested_places_are_labelled_by_number_keys(seen: Seen) -> None:
    first, second = seen.order()[:2]
    seen.rename(first, "sand")
    seen.rename(second, "rock")
    seen.page.get_by_role("tab", name="Points").click()

    seen.page.get_by_role("button", name="Suggest places").click()
    seen.page.locator(".hint", has_text="Place 1 of").wait_for()
    for number in (1, 2, 1):
        with seen.done("point"):
            seen.page.keyboard.press(str(number))
        seen.page.locator(".points li").nth(0).wait_for()
    seen.page.locator(".hint", has_text="Place 4 of").wait_for()
    seen.page.get_by_role("button", name="End the suggestions").click()

    names = [name.get_attribute("data-key") for name in seen.page.locator(".label").all()]
    assert sorted(map(str, names)) == ["rock", "sand"]
    assert [row["label"] for row in table(seen)] == [names[0], names[1], names[0]]
    with seen.done("undo"):
        seen.page.keyboard.press("u")
    assert len(table(seen)) == 2
