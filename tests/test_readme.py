"""The README names what is there."""

import re
from pathlib import Path

import pytest

import segpipe
from segpipe.cli.app import cli
from tests.helpers.places import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_file_tree_lists_every_package() -> None:
    tree = README.split("segpipe/\n", 1)[1].split("```", 1)[0]
    listed, parent = set(), ""
    for line in tree.splitlines():
        names = re.findall(
            r"([\w/]+)/(?=\s|$)", line.split("   ", 1)[0] if line.startswith("  ") and line[2] != " " else line
        )
        if line.startswith("    "):
            listed |= {f"{parent}/{name}" for name in names}
        elif names:
            parent = names[0]
            listed.add(parent)
    package = Path(segpipe.__path__[0])
    packages = {path.parent.relative_to(package).as_posix() for path in package.glob("*/**/__init__.py")}
    assert listed == {name for name in packages if name.count("/") < 2}


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
