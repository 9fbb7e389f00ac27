"""A run as a notebook shows it."""

import html
import re
from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from segpipe.results import Run
from segpipe.results import page as pages
from segpipe.results.page import render_run
from segpipe.results.reader import RunReader


def test_a_notebook_sees_stages_classes_and_pictures(done: Path) -> None:
    page = Run(done)._repr_html_()
    assert page.count("data:image/webp;base64,") == 4
    assert all(f">{name}</td>" in page for name in ("index", "refine", "report"))
    assert all(row["color"] in page and row["name"] in page for row in Run(done).classes)
    assert "<script" not in page
    assert "http" not in page


def test_a_notebook_escapes_what_people_wrote(copy: Path) -> None:
    assert run_cli(["name", str(copy)]) == 0
    text = (copy / "classes.yaml").read_text("utf-8")
    (copy / "classes.yaml").write_text(text.replace('name: ""', 'name: "<script>a & b</script>"', 1), "utf-8")
    page = Run(copy)._repr_html_()
    assert "&lt;script&gt;a &amp; b&lt;/script&gt;" in page
    assert "<script>" not in page


def rows_of(page: str) -> list[list[str]]:
    """The cells of every row of its tables, without tags."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    cells = (re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in rows)
    return [[html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in row] for row in cells if row]


def test_every_stage_has_a_row_in_its_order_done_or_not(windows: Path) -> None:
    reader = RunReader(windows)
    stages = rows_of(render_run(reader))[:10]
    names = ["index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report"]
    assert [row[0] for row in stages] == names
    for name, finished, took in stages:
        record = reader.finished().get(name)
        assert finished == (f"{record.finished[:10]} {record.finished[11:16]} UTC" if record else "not yet")
        assert bool(took) == bool(record)


def test_the_largest_classes_come_first_and_the_rest_is_counted(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [0.01, 0.3, *[0.02] * 14, 0.41]
    made = [{"name": f"k{i}", "color": "#000000", "share": share, "images": i} for i, share in enumerate(shares)]
    monkeypatch.setattr(pages, "class_rows", lambda reader: made)
    rows = rows_of(render_run(RunReader(done)))[10:]
    assert rows[:3] == [["", "k16", "41.0%", "16"], ["", "k1", "30.0%", "1"], ["", "k2", "2.0%", "2"]]
    assert (len(rows), rows[-1]) == (16, ["", "and 2 more"])


def test_what_cannot_be_read_is_said_once_and_the_rest_is_shown(copy: Path) -> None:
    (copy / "masks" / "index.jsonl").write_text("{", "utf-8")  # classes and pictures both read it
    page = render_run(RunReader(copy))
    assert page.count(f"{copy / 'masks' / 'index.jsonl'}: its bytes changed on disk") == 1
    assert f"`segpipe check {copy}`" in html.unescape(page)
    assert len(rows_of(page)) == 10
    assert "<img" not in page
