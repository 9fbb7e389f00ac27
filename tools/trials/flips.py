"""Flipped bits and truncation of every file of a run: what opens the file next notices, or makes the same of it."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from trials.kills.bench import artefacts, command, ended, fork, warm
from trials.kills.cases import DATA, filled, run_of
from trials.row import Row, sample

GOOD, BAD = ("noticed", "no difference"), ("silent", "internal error", "no way out")
_TRIES = 40
_MENDED = 2
"""Noticed faults of a file after which what `check` advises is done: it is the same for all of them."""
_QUICK = ("head.safetensors", "01.png")
_READERS: dict[str, Sequence[Sequence[str]]] = {
    "corpus": (["extract", "{run}", "--force"],),
    "features": (["mine", "{run}", "--force"], ["train", "{run}", "--force"], ["refine", "{run}", "--force"]),
    "pairs": (["train", "{run}", "--force"],),
    "head": (["cluster", "{run}", "--force"], ["refine", "{run}", "--force"]),
    "clusters": (["refine", "{run}", "--force"],),
    "masks": (["export", "{run}", "--force"], ["cover", "{run}", "--force"]),
    "manifest.json": (["run", "{data}/images", "{run}", "--to", "refine"],),
}
"""From a directory or file of the run to the commands that read it again."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of this kind."""
    parser.add_argument("places", nargs="*", help=f"of {', '.join(_READERS)}; all by default")


def measure(given: argparse.Namespace) -> Iterator[Row]:
    """A row for each kind of file."""
    warm()
    with tempfile.TemporaryDirectory() as temporary:
        base = given.folder or Path(temporary)
        bench = Bench(base)
        places = getattr(given, "places", ()) or (("head", "masks") if given.quick else _READERS)
        kinds = [kind for place in places for kind in bench.kinds(place)]
        for kind in [kind for kind in kinds if kind.endswith(_QUICK)] if given.quick else kinds:
            yield bench.row(kind, tries=2 if given.quick else given.sample or _TRIES, seed=given.seed)


class Bench:
    """One whole run, copied for every try."""

    def __init__(self, base: Path) -> None:
        self.base, self.log = base, base / "log.txt"
        self.data, self.whole, self.run = (base / name for name in ("data", "whole", "run"))
        for folder in (self.data, self.whole):
            shutil.rmtree(folder, ignore_errors=True)
        self.data.mkdir(parents=True)
        self._done(lambda: DATA["bundled"](self.data))
        self._done(lambda: command(filled(run_of("{data}/images", to="cover"), self.data, self.whole)))
        self.untouched: dict[str, dict[str, bytes]] = {}

    def _done(self, work: object) -> None:
        code = ended(fork(work, self.log))  # type: ignore[arg-type]
        if code not in (0, 4):
            raise RuntimeError(f"exit {code}: {self.log.read_text('utf-8')}")

    def kinds(self, place: str) -> list[str]:
        """The kinds of files at a place: paths from the run, of several alike the first."""
        folder = self.whole / place
        if folder.is_file():
            return [place]
        found: dict[tuple[str, str], str] = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(self.whole).as_posix()
            if path.is_file() and "/tb/" not in name:
                alike = (str(path.parent), path.suffix) if path.suffix == ".png" else (name, "")
                found.setdefault(alike, name)
        return list(found.values())

    def row(self, name: str, *, tries: int, seed: int) -> Row:
        """Flip single bits of a file, and cut it short, at drawn places."""
        size, draw = (self.whole / name).stat().st_size, random.Random(f"{seed} {name}")
        row = Row(f"{name}: bits flipped, cut short", GOOD, BAD)
        if not size:
            return row
        bits = [("bit", draw.randrange(8 * size)) for _ in range(tries)]
        cuts = [("cut", at) for at in sample(range(size), max(1, tries // 4), seed)]
        for how, at in (*bits, *cuts):
            row.add(*self._try(name, how, at, mend=row.outcomes["noticed"] < _MENDED))
        return row

    def _try(self, name: str, how: str, at: int, *, mend: bool) -> tuple[str, str]:
        about, place = f"{how} {at}", name.split("/", 1)[0]
        for reader in _READERS[place]:
            shutil.rmtree(self.run, ignore_errors=True)
            shutil.copytree(self.whole, self.run)
            content = bytearray((self.run / name).read_bytes())
            if how == "bit":
                content[at // 8] ^= 1 << at % 8
            else:
                del content[at:]
            (self.run / name).write_bytes(content)
            outcome, said = self._read(reader, name)
            if outcome != "no difference":
                break
        if outcome == "noticed" and mend:
            return self._mended(f"{about}: {said}")
        return outcome, f"{about}: {' '.join(reader)}: {said}"

    def _read(self, reader: Sequence[str], damaged: str) -> tuple[str, str]:
        """What a command says that may read the file, or how what it makes compares with what it makes else."""
        key = " ".join(reader)
        if key not in self.untouched:
            clean = self.base / "clean"
            shutil.rmtree(clean, ignore_errors=True)
            shutil.copytree(self.whole, clean)
            self._done(lambda: command([*filled(reader, self.data, clean), "-q"]))
            self.untouched[key] = _made(clean)
        code = ended(fork(lambda: command([*filled(reader, self.data, self.run), "-q"]), self.log))
        said = self.log.read_text("utf-8", "replace").strip().split("\n")[-1]
        if code in (0, 4):
            found, wanted = _made(self.run), self.untouched[key]
            wrong = sorted(name for name in wanted if name != damaged and found.get(name) != wanted[name])
            return ("silent", f"{len(wrong)} files differ, such as {wrong[0]}") if wrong else ("no difference", "")
        return ("noticed" if code in (2, 3, 5) else "internal error"), f"exit {code}: {said}"

    def _mended(self, about: str) -> tuple[str, str]:
        """Whether what `check` advises makes the run whole again."""
        fork_log = self.base / "check.txt"
        code = ended(fork(lambda: command(["check", str(self.run)]), fork_log))
        advice = [line for line in fork_log.read_text("utf-8", "replace").split("\n") if line.startswith("next:")]
        if code == 0 or not advice:  # a manifest that was damaged is deleted, as its error says
            (self.run / "manifest.json").unlink(missing_ok=True)
            arguments = ["run", str(self.data / "images"), str(self.run), "--to", "cover", "-q"]
        else:
            arguments = [*" ".join(advice).split("`")[1].split()[1:], "-q"]
        code = ended(fork(lambda: command(arguments), fork_log))
        found, wanted = artefacts(self.run), artefacts(self.whole)
        differ = [name for name in wanted if found.get(name) != wanted[name] and name != "manifest.json"]
        if code not in (0, 4) or differ:
            return "no way out", f"{about}; {' '.join(arguments)}: exit {code}, {differ[:3]} differ"
        return "noticed", about


def _made(run: Path) -> dict[str, bytes]:
    """What counts of a run: its artefacts, and of the manifest what stages say of themselves."""
    found = {name: content for name, content in artefacts(run).items() if name != "manifest.json"}
    stages = json.loads((run / "manifest.json").read_text("utf-8"))["stages"]
    summaries = {name: stages[name]["summary"] for name in sorted(stages)}
    return {**found, "manifest.json": json.dumps(summaries, sort_keys=True).encode()}
