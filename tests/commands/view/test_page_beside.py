"""Two maps side by side: another image of the run, or another run; both move together."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.helpers.view_page import READ, Seen, page_at

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAME = f"""() => {{
  const [ours, theirs] = ['#map .overlay', '#map-b .overlay'].map((id) => ({READ})(id).data);
  return ours.length === theirs.length && ours.some((value) => value) && ours.every((value, i) => value === theirs[i]);
}}"""


def test_a_pinned_image_stays_while_the_other_goes_on(seen: Seen) -> None:
    seen.show("reef_04")
    seen.page.get_by_label("Beside").check()
    title = seen.page.locator("#second-title")
    title.get_by_text("reef_04").wait_for()
    seen.wait(SAME)

    seen.show("reef_05")

    assert "reef_04" in title.inner_text()
    seen.page.get_by_role("button", name="Pin this image here").click()
    title.get_by_text("reef_05").wait_for()
    seen.wait(SAME)


def test_another_run_follows_and_has_its_own_names(browser: "Browser", run: Path, tmp_path: Path) -> None:
    from segpipe.commands.view.run import serving

    other = Path(shutil.copytree(run, tmp_path / "later"))
    with serving(run, beside=other) as (served, _), page_at(browser, served.address, run) as seen:
        seen.page.get_by_label("Beside").check()
        seen.show("reef_04")
        seen.page.locator("#second-title", has_text="later: reef_04").wait_for()
        seen.wait(SAME)
        seen.page.locator("#map .openseadragon-canvas").focus()
        for key in ("+", "ArrowRight", "ArrowDown"):
            seen.page.keyboard.press(key)
        seen.wait(SAME)

        seen.rename(seen.order()[0], "sand")
        with seen.done("color"):
            seen.card(seen.order()[0]).locator(".swatch").click()
            seen.card(seen.order()[0]).locator(".more button.dot[aria-pressed=false]").last.click()

        seen.wait(f"() => !({SAME})()")
        assert not (other / "classes.yaml").exists() or "sand" not in (other / "classes.yaml").read_text("utf-8")
