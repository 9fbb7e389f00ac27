"""`segpipe backbones`: the table lists every backbone that can be named, and where its weights come from."""

import pytest

from segpipe.base.options import Face
from segpipe.cli.entry import run_cli
from segpipe.commands.backbones import COMMAND, BackbonesOptions
from segpipe.nn.backbones import list_backbones


def test_every_backbone_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["backbones"]) == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {row.name for row in list_backbones()} <= set(first)


def test_a_row_says_patch_width_licence_and_whether_the_weights_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpipe.nn.hub.cached", lambda repo: repo.endswith("/vit_small_patch16_224.dino"))
    (table,) = COMMAND.report(COMMAND.work(BackbonesOptions(), Face()), BackbonesOptions()).lines
    cells = [list(column.cells) for column in table.columns]
    rows = {row[0]: row[1:] for row in zip(*cells, strict=True)}
    assert rows["dino_vits16"] == ("16", "384", "at hand", "Apache-2.0")
    assert rows["dino_vitb8"] == ("8", "768", "hub", "Apache-2.0")
    assert rows["classical"][2] == "embedded"
    assert len(rows) == table.row_count == len(list_backbones())
