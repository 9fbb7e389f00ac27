"""Files of the page: small, licensed, from nowhere else, and no data as markup."""

import re
from pathlib import Path

from segpipe.commands import view

STATIC = Path(view.__file__).parent / "static"
OURS = sorted(path for path in STATIC.glob("*.js") if path.name != "openseadragon.min.js")
MOST_BYTES = 700_000


def test_all_of_it_is_small() -> None:
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < MOST_BYTES


def test_the_licence_of_the_viewer_is_kept() -> None:
    assert (STATIC / "openseadragon.min.js").read_text("utf-8").startswith("//! openseadragon 6")
    assert "CodePlex Foundation" in (STATIC / "LICENSE.openseadragon").read_text("utf-8")


def test_no_data_becomes_markup_and_no_code_is_made_of_text() -> None:
    found = [
        (path.name, word)
        for path in OURS
        for word in re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", path.read_text("utf-8")
        )
    ]
    assert found == []


def test_the_page_has_no_script_of_its_own_and_asks_no_other_server() -> None:
    text = (STATIC / "index.html").read_text("utf-8")
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"\son\w+=", text)
    for path in [STATIC / "index.html", STATIC / "view.css", *OURS]:
        addresses = re.findall(r"https?://[^\s'\"]+", path.read_text("utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name


def test_what_is_named_exists() -> None:
    named = re.findall(r"/static/([\w.-]+)", (STATIC / "index.html").read_text("utf-8"))
    for path in OURS:
        named += re.findall(r'from "\./([\w.-]+)"', path.read_text("utf-8"))
    assert {name for name in named if not (STATIC / name).is_file()} == set()
    assert {path.name for path in OURS} <= set(named)


def test_functions_and_files_are_small() -> None:
    long = {path.name: count for path in OURS if (count := len(path.read_text("utf-8").splitlines())) > 180}
    assert long == {}
