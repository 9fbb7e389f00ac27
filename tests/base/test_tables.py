import io

from rich.console import Console

from segpipe.base.tables import plain_table


def test_names_are_no_markup_and_steer_nothing() -> None:
    table = plain_table("[b]")
    table.add_row("[red]:smile:[/x]\x1b[2J\u202e\n")
    out = io.StringIO()
    Console(file=out, width=60, emoji=False).print(table)
    assert out.getvalue().split() == ["[b]", "[red]:smile:[/x]\\x1b[2J\\u202e\\n"]


def test_a_table_without_lines_folds_what_is_too_long() -> None:
    table = plain_table("name", "what it is")
    table.add_row("a", "x" * 30)
    out = io.StringIO()
    Console(file=out, width=20).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[0].split() == ["name", "what", "it", "is"]
    assert "".join(line[4:].strip() for line in lines[1:]) == "x" * 30
    assert len(lines) > 2
    assert max(map(len, lines)) <= 20
