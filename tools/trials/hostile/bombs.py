"""Small files that mean much: pictures, archives, arrays and YAML that grow when they are read."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from trials import small_run
from trials.child import Ended, each, segpipe
from trials.hostile.bomb_archives import Try, archives, npz
from trials.hostile.bomb_pictures import SLOW, pictures
from trials.mutations import small_file
from trials.row import Row, sample

GOOD = ("skipped with a reason", "decoded", "one-line error", "accepted")
BAD = ("decoy accepted", "others lost", "long error", "too much memory", "internal error", "crash", "hang")
_MEMORY = 2 << 30
_QUICK = ("facts_steps", "npz_claims", "cluster_clusters.npz_True", "config_laughs", "classes_deep", "sites_quote")
_SECONDS = 120.0
_SETTINGS = ("--set", "index.max_pixels=1000000", "--set", "index.frame_step=1", "--set", "runtime.workers=1")


def measure(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """A row for pictures, one for archives, one for arrays in a run, one for YAML and lists."""
    base = folder / "bombs"
    shutil.rmtree(base, ignore_errors=True)
    small_run.make(base)
    small_run.done(segpipe("bundle", base / "run", base / "whole.segpipe", "-q"), base)
    yield _pictures(base, given)
    for what, tries in (("archives", archives(base)), ("arrays in a run", _arrays(base)), ("texts", _texts(base))):
        row = Row(f"bombs: {what}", GOOD, BAD)
        found = (item for item in tries if not given.quick or item[0] in _QUICK)
        chosen = sample(found, 0 if given.quick else given.sample, given.seed)
        for name, ended in each(chosen, base / "logs", jobs=given.jobs, seconds=_SECONDS, memory=_MEMORY):
            row.add(_outcome(ended), f"{name}: {ended}")
            shutil.rmtree(base / name, ignore_errors=True)
        if chosen:  # the quick part has no arrays
            yield row


def _outcome(ended: Ended) -> str:
    if ended.fault or ended.wordy:
        return ended.fault or "long error"
    return "accepted" if ended.code in (0, 4) else "one-line error"


def _pictures(base: Path, given: argparse.Namespace) -> Row:
    row = Row("bombs: pictures, through `index`", GOOD, BAD)
    tries = list(pictures())
    if given.quick:  # what takes little, together
        groups = [[item for item in tries if item[0] not in SLOW]]
    else:
        groups = [[item] for item in sample(tries, given.sample, given.seed)]
    works = ((number, partial(_index, base / f"p{number}", group)) for number, group in enumerate(groups))
    for number, ended in each(works, base / "logs", jobs=given.jobs, seconds=_SECONDS, memory=_MEMORY):
        for name, _, decoy in groups[number]:
            row.add(*_seen(base / f"p{number}", name, ended, decoy=decoy))
        shutil.rmtree(base / f"p{number}", ignore_errors=True)
    return row


def _index(place: Path, group: Sequence[tuple[str, Callable[[], bytes], bool]]) -> None:
    (place / "in").mkdir(parents=True)
    for name, make, _ in group:
        (place / "in" / name).write_bytes(make())
    (place / "in" / "whole.png").write_bytes(small_file("png", place))
    segpipe("index", place / "in", place / "run", "-q", *_SETTINGS)()


def _seen(place: Path, name: str, ended: Ended, *, decoy: bool) -> tuple[str, str]:
    if ended.fault or ended.code not in (0, 4):
        return ended.fault or "others lost", f"{name}: {ended}"
    corpus = place / "run" / "corpus"
    used = [json.loads(line) for line in (corpus / "corpus.jsonl").read_text("utf-8").splitlines()]
    files = {image.get("moment", {}).get("video", image["path"]) for image in used}
    if "whole.png" not in files:
        return "others lost", f"{name}: {ended}"
    if name in files:
        return "decoy accepted" if decoy else "decoded", f"{name}: {ended}"
    return "skipped with a reason", f"{name}: {ended}"


def _arrays(base: Path) -> Iterator[Try]:
    """Each array and table of a run, as one that claims or inflates."""
    names = [path.relative_to(base / "run") for path in sorted((base / "run").rglob("*.npz"))]
    for name in names:
        for claimed in (True, False):
            label = f"{name.parent}_{name.name}_{claimed}".replace("/", "_")
            yield label, partial(_in_run, base, label, name, partial(npz, claimed=claimed))
    for name in sorted(path.relative_to(base / "run") for path in (base / "run").rglob("*.json*")):
        if "store.zarr" in name.parts:
            continue
        label = f"json_{name.parent}_{name.name}".replace("/", "_")
        yield label, partial(_in_run, base, label, name, lambda: b"[" * 5_000_000)


def _in_run(base: Path, label: str, name: Path, make: Callable[[], bytes]) -> None:
    run = small_run.copy(base / "run", base / label)
    (run / name).write_bytes(make())
    again = [part for stage in ("mine", "train", "cluster", "refine") for part in ("--force", stage)]
    segpipe("run", base / "data" / "images", run, "--to", "refine", *again, "-q")()


def _texts(base: Path) -> Iterator[Try]:
    """YAML of aliases, of depth and of length; lists and tables without end."""
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    yaml = {
        "laughs": laughs.encode(), "deep": b"a: " + b"[" * 200_000, "maps": b"{a: " * 100_000, "self": b"a: &a [*a]\n",
        "merge": b"a: &a {b: 1}\n" + b"c: {<<: *a}\n" * 10_000, "integer": b"cluster: {k: " + b"9" * 900_000 + b"}\n",
        "keys": b"".join(b"k%d: 1\n" % i for i in range(90_000)), "long": b"cluster: {k: '" + b"a" * 1_000_000 + b"'}",
        "zeros": bytes(1 << 20), "large": b"#" * (1 << 24),
    }  # fmt: skip
    for name, content in yaml.items():
        label = f"config_{name}"
        yield (
            label,
            partial(
                _given,
                base,
                label,
                content,
                ("run", base / "data" / "images", base / label / "new", "--dry-run", "--config"),
            ),
        )
        label = f"classes_{name}"
        yield label, partial(_classes, base, label, content)
    tables = {
        "quote": b'image,row,column,label\n"' + b"a" * (1 << 26),
        "fields": b"image,site" + b"," * 5_000_000 + b"\na,b\n",
        "line": b"a" * (1 << 28), "lines": b"image,site\n" + b"a,b\n" * 2_000_000,
        "utf16": b"\xff\xfe" + b"a\0" * (1 << 26),
    }  # fmt: skip
    for name, content in tables.items():
        for option, command in (("sites", "cover"), ("labels", "evaluate")):
            label = f"{option}_{name}"
            yield label, partial(_given, base, label, content, (command, base / label / "run", f"--{option}"))
    for name, content in {"line": b"a", "lines": b"a.png\n", "zeros": b"\0"}.items():
        label = f"list_{name}"
        yield label, partial(_listed, base, label, content)
    classes = ("evaluate", base / "c_line" / "run", "--labels", base / "data" / "labels", "--classes")
    yield "c_line", partial(_given, base, "c_line", b"a" * (1 << 28), classes)


def _given(base: Path, label: str, content: bytes, arguments: tuple[str | Path, ...]) -> None:
    small_run.copy(base / "run", base / label)
    (base / label / "given").write_bytes(content)
    segpipe(*arguments, base / label / "given", "-q")()


def _classes(base: Path, label: str, content: bytes) -> None:
    run = small_run.copy(base / "run", base / label)
    (run / "classes.yaml").write_bytes(content)
    segpipe("export", run, "-f", "classes", "-q")()


def _listed(base: Path, label: str, content: bytes) -> None:
    (base / label).mkdir()
    with (base / label / "list.txt").open("wb") as file:
        for _ in range(64):
            file.write(content * ((1 << 24) // len(content)))
    segpipe("index", base / label / "list.txt", base / label / "new", "-q")()
