"""What a person sees: reports, skipped files, names of any bytes."""

import logging
import warnings
from pathlib import Path

import pytest

from segpipe.base.errors import warn
from segpipe.base.options import Report
from segpipe.base.tables import plain_table
from segpipe.cli.terminal import console, say, warnings_shown
from segpipe.records.corpus import Rejected


def test_a_report_is_printed_and_says_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table("k", "share")
    table.add_row("0", "51.0%")
    assert say(Report(["done"], details=[table, "detail"]), quiet=False) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["k", "share"], ["0", "51.0%"], ["detail"], ["done"],
    ]  # fmt: skip
    assert say(Report(["done"], details=[table], code=5), quiet=True) == 5
    assert capsys.readouterr().out == "done\n"


def test_skipped_files_are_listed_up_to_twenty(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [Rejected(f"{i}.jpg", "empty file") for i in range(23)]
    assert say(Report(skipped=skipped, listed_in=Path("out/rejected.jsonl")), quiet=False) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "23 files skipped (out/rejected.jsonl):"
    assert lines[1] == "  0.jpg: empty file"
    assert (len(lines), lines[-1]) == (22, "  and 3 more")
    assert say(Report(skipped=skipped, code=0), quiet=False) == 0


STEERING = b"a\xff\x1b[31m\n".decode("utf-8", "surrogateescape") + "\u202e\u2066[/b]:cat:.png"
SHOWN = "a\\udcff\\x1b[31m\\n\\u202e\\u2066[/b]:cat:.png"


def test_a_name_of_any_bytes_is_shown_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table(STEERING)
    table.add_row(STEERING)
    skipped = [Rejected(STEERING, f"as {STEERING}")]
    say(Report([STEERING], details=[table], skipped=skipped, listed_in=Path(STEERING)), quiet=False)
    console(quiet=False, verbose=False)
    logging.getLogger("segpipe.x").warning("of %s", STEERING)
    with warnings_shown():
        warn(f"was {STEERING}")
    out, err = capsys.readouterr()
    assert [line.strip() for line in out.splitlines()] == [SHOWN] * 3
    assert err.splitlines() == [
        f"1 file skipped ({SHOWN}):", f"  {SHOWN}: as {SHOWN}", f"warning: of {SHOWN}", f"warning: was {SHOWN}",
    ]  # fmt: skip


def test_earlier_names_are_told_whatever_python_does_with_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with warnings_shown():
            warn("a is called b now")
            warnings.warn("something else", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: a is called b now\n"
