"""`segpipe backbones`: the table lists every backbone that can be named."""

import pytest

from segpipe.cli.entry import run_cli
from segpipe.nn.backbones import list_backbones


def test_every_backbone_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["backbones"]) == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {row.name for row in list_backbones()} <= set(first)
