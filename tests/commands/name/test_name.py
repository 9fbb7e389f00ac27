"""What `segpipe name` says and returns."""

from pathlib import Path

from rich.console import Console

from segpipe.base.options import make
from segpipe.commands.name import COMMAND
from segpipe.commands.name.options import NameOptions
from segpipe.commands.name.run import Named
from segpipe.records.class_names import Entry, Naming


def test_every_cluster_is_told_with_its_class() -> None:
    entries = {
        0: Entry(name="sand", color=(1, 2, 3)),
        1: Entry(color=(4, 5, 6), merge_into=0),
        2: Entry(color=(7, 8, 255), ignore=True),
    }
    naming = Naming(entries, "abc")
    found = Named(Path("classes.yaml"), naming, naming.legend(3), {0: 0.5, 1: 0.25, 2: 0.25}, (), None, written=True)
    console = Console(record=True, width=80)
    for table in COMMAND.report(found, make(NameOptions, {"run": "r"})).details:
        console.print(table)
    rows = [line.split() for line in console.export_text().splitlines() if line.strip()]
    assert rows[1:] == [["0", "50.0%", "0", "sand"], ["1", "25.0%", "0", "sand"], ["2", "25.0%", "left", "out"]]
    said = COMMAND.value(found)
    assert [said[k]["class"] for k in range(3)] == ["sand", "sand", None]
    assert said[2]["color"] == "#0708ff"
    assert (said[1]["merge_into"], said[1]["share"]) == (0, 0.25)
