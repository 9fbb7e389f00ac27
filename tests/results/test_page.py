"""A run as a notebook shows it."""

from pathlib import Path

from segpipe.cli.entry import run_cli
from segpipe.results import Run


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
