"""The README names what is there."""

import re
from pathlib import Path

import pytest

import segpipe
from segpipe.cli.commands import cli
from tests.helpers.places import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_file_tree_lists_every_module() -> None:
    tree = README.split("segpipe/\n", 1)[1].split("```", 1)[0]
    listed = set(re.findall(r"^ {2,4}(\w+\.py) ", tree, re.MULTILINE))
    modules = {path.name for path in Path(segpipe.__path__[0]).rglob("*.py")} - {"__init__.py", "__main__.py"}
    assert listed == modules


def test_every_command_it_shows_exists() -> None:
    blocks = "".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
    shown = set(re.findall(r"^segpipe (\w+)", blocks, re.MULTILINE))
    assert shown
    assert shown <= set(cli.commands)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_its_links_lead_somewhere(link: str) -> None:
    assert link.startswith("http") or (ROOT / link).exists()


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.search(r"@[A-Z]+@", README)
