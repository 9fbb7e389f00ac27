"""The table that the terminal shows."""

from rich.console import Console

from segpipe.commands.doctor.text import health_lines
from segpipe.records.backbone_health import BackboneHealth, BlockHealth


def test_numbers_stand_in_their_columns() -> None:
    rows = (BlockHealth(3, 0.125, 0.5, -0.01, None, 0.5), BlockHealth(11, 0.44, 0.77, 0.11, 0.0031, 1.234))
    found = BackboneHealth("net", "file [x]", 60, 18000, False, 12, rows, None, ("One.", "Two."))
    head, table, *rest = health_lines(found)
    assert head == "net (file [x]), 60 images, 18000 patches"
    assert rest == ["One.", "Two."]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    lines = [line.split() for line in capture.get().splitlines()]
    assert lines[1:] == [["3", "12%", "50%", "0%", "-", "0.50"], ["11", "44%", "77%", "11%", "0.3%", "1.23"]]
