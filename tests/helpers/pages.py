"""Pages of the documentation: their blocks of commands and of Python, and how commands are made small for a test."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.helpers.places import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*/*.md"))]

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^\n]*) -->\n)?^```(?P<kind>bash|python)\n(?P<text>.*?)^```$", re.M | re.S
)
QUICK = {
    "extract.backbone": "classical",
    "extract.input_size": 160,
    "train.method": "pca",
    "cluster.k": 5,
    "refine.canvas_size": 160,
    "evaluate.n_resamples": 20,
    "cover.n_resamples": 100,
    "runtime.workers": 1,
}
"""Settings of the runs of a test: no weights are at hand, and what a page says is seen on coarse maps too."""
SMALL = {
    "run": [f"--{key}={value}" for key, value in QUICK.items()],
    "index": ["--config=quick.yaml"],
    "plan": ["--config=quick.yaml"],
    "attend": ["--backbone=classical", "--input-size=96"],
    "probe": ["--backbone=classical", "--input-size=96"],
    "robustness": ["--max-side=96"],
}
"""Options that come before those of the page, by command: what the page says wins."""
LIMITS = {"probe": ["--max-images=2"], "robustness": ["--max-images=2"]}
"""Options that come after those of the page."""


def quick_config() -> str:
    """`quick.yaml`: the same settings as a file, for commands that take no settings of other stages."""
    sections: dict[str, dict[str, object]] = {}
    for key, value in QUICK.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    return yaml.safe_dump(sections)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page."""

    page: str
    kind: str
    text: str
    why_not: str | None
    """Why it is not run; None where it is."""

    @property
    def commands(self) -> list[list[str]]:
        """The command lines of a shell block, split into words; comments are left out."""
        joined = self.text.replace("\\\n", " ")
        return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    name = page.relative_to(ROOT).as_posix()
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [Block(name, each["kind"], each["text"], each["why"]) for each in found]


def small(words: Sequence[str], here: Path) -> list[str]:
    """The arguments of a `segpipe` command with what makes it small; a run that was begun keeps its settings."""
    command, *rest = words
    begun = command == "run" and any((here / word / "config.yaml").exists() for word in rest)
    return [command, *([] if begun else SMALL.get(command, [])), *rest, *LIMITS.get(command, [])]
