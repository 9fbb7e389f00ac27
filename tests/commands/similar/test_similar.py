"""What `segpipe similar` says and returns."""

from pathlib import Path

from segpipe.base.options import make
from segpipe.commands.similar import COMMAND
from segpipe.commands.similar.options import SimilarOptions
from segpipe.commands.similar.run import Found
from segpipe.inference.patch_likeness import Match


def test_each_image_found_is_a_line_and_a_row() -> None:
    alike = (Match(3, 0.91234), Match(1, 0.5, (12.4, 30.6)))
    found = Found("q", alike, ("c", "a"), Path("out/similar.png"), Path("out/similar.csv"))
    lines = COMMAND.report(found, make(SimilarOptions, {"run": "r", "query": "q"})).lines
    assert lines == ["  1  0.912  c", "  2  0.500  a  at row 12, column 31", "sheet    out/similar.png"]
    assert COMMAND.value(found) == [("c", 0.91234, None), ("a", 0.5, (12.4, 30.6))]
