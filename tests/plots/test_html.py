"""What all pages share: escaping, templates of a room, numbers as a person reads them."""

from dataclasses import dataclass

import jinja2
import pytest

from segpipe.plots import html
from segpipe.plots.html import Page, Pairs, Plot, SkippedFiles
from segpipe.records.corpus import Rejected


@dataclass(frozen=True, slots=True)
class Small(Page):
    @property
    def contents(self) -> Pairs:
        return [("a", "First & last")]


def test_every_text_is_escaped_and_odd_bytes_become_question_marks():
    page = Small("<b>", "odd \udcff & so on", SkippedFiles([], 0))
    found = html.render("base.html.jinja", "segpipe.plots", page)
    assert "<title>&lt;b&gt;</title>" in found
    assert '<p class="lead">odd ? &amp; so on</p>' in found
    assert '<a href="#a">First &amp; last</a>' in found
    assert "<b>" not in found
    assert found.encode()


def test_no_name_turns_the_text_of_a_page_around():
    page = Small("photo\u202egnp.exe\x1b", "\u2066<i>", SkippedFiles([], 0))
    found = html.render("base.html.jinja", "segpipe.plots", page)
    assert "<title>photo\\u202egnp.exe\\x1b</title>" in found
    assert '<p class="lead">\\u2066&lt;i&gt;</p>' in found


def test_a_template_is_looked_for_in_its_package_then_here():
    for name, package in (
        ("report.html.jinja", "segpipe.stages.report"),
        ("probe.html.jinja", "segpipe.commands.probe"),
        ("robustness.html.jinja", "segpipe.commands.robustness"),
    ):
        assert html.template(name, package).name == name
        with pytest.raises(jinja2.TemplateNotFound):
            html.template(name)


def test_a_name_that_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        html.template("base.html.jinja").render()


def test_of_many_skipped_files_the_first_are_listed():
    rejected = [Rejected(f"{i}.jpg", "empty") for i in range(201)]
    found = SkippedFiles.of(rejected)
    assert (len(found.rows), found.rows[199], found.total) == (200, ("199.jpg", "empty"), 201)
    macros = html.template("macros.html.jinja").module
    assert "The first 200 of 201; all of them are in <code>x.jsonl</code>" in macros.skipped_table(found, "x.jsonl", "")
    assert "The first" not in macros.skipped_table(SkippedFiles.of(rejected[:200]), "x.jsonl", "")
    assert "<p>None at all</p>" in macros.skipped_table(SkippedFiles.of([]), "x.jsonl", "None at all")


def test_a_figure_is_within_the_page():
    assert Plot("", b"<svg/>", "").uri == "data:image/svg+xml;base64,PHN2Zy8+"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.0005, 1, "0.1%"), (0.00049, 1, "<0.1%"), (0.004, 0, "<1%"), (1.0, 1, "100.0%"), (-0.25, 0, "-25%")],
)
def test_small_shares_are_not_zero(value, digits, text):
    assert html.percent(value, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.95, "1 min 0 s"), (3599.6, "1 h 0 min"), (3600, "1 h 0 min")],
)
def test_durations_never_show_sixty(seconds, text):
    assert html.duration(seconds) == text
