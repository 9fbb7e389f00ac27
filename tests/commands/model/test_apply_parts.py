"""`segpipe apply` in parts: whatever the order and whoever ended, the folder is that of one call."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.cli.entry import run_cli
from segpipe.commands.model.predict import Segment
from segpipe.store import transaction
from segpipe.store.leases import Leases
from tests.helpers.films import write_film

pytestmark = pytest.mark.usefixtures("one_torch_thread")
FORMATS = "overlay,color,coco,classes"


@pytest.fixture(scope="module")
def images(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "images"
    folder.mkdir()
    for path in sorted(reef.glob("*.jpg"))[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    write_film(folder / "dive.mp4", [20, 20], fps=10)
    (folder / "junk.jpg").write_bytes(b"junk")
    return folder


def command(model: Path, images: Path, out: Path, *more: str) -> list[str]:
    return ["apply", str(model), str(images), str(out), "-q", "--format", FORMATS, *more]


@pytest.fixture(scope="module")
def once(whole: tuple[Path, Path], images: Path) -> dict[str, bytes]:
    out = images.parent / "once"
    assert run_cli(command(whole[1], images, out)) == 4  # one is skipped
    return made(out)


def made(out: Path) -> dict[str, bytes]:
    """Every file that was made but those that say when, by its path."""
    found = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != ".lock"}


def typed(arguments: list[str]) -> None:
    from segpipe.cli.app import cli

    cli.main(args=arguments, standalone_mode=False)


@pytest.mark.parametrize("order", [("3/3", "1/3", "2/3"), ("2/7", "auto")])
def test_parts_are_one_call(
    whole: tuple[Path, Path], images: Path, once: dict[str, bytes], tmp_path: Path, order: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    name = sorted(images.glob("reef*.jpg"))[0]
    for part in order:
        if part == "auto":  # where one of the listed files is not seen
            name.rename(tmp_path / name.name)
        assert run_cli(command(whole[1], images, out, "--part", part)) == 0
        assert not (out / "masks").exists()
    if (tmp_path / name.name).exists():
        (tmp_path / name.name).rename(name)
    assert run_cli(command(whole[1], images, out)) == 4
    assert made(out) == once
    assert run_cli(command(whole[1], images, out, "--part", order[-1])) == 0  # a worker that comes late
    assert made(out) == once


def test_what_parts_have_left_is_done_by_the_last_call(
    whole: tuple[Path, Path], images: Path, once: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "out", list[str]()
    assert run_cli(command(whole[1], images, out, "--part", "2/2")) == 0
    assert run_cli(command(whole[1], images, out, "--part", "2/2")) == 0  # was done before
    with pytest.raises(UsageError, match=r"holds what `segpipe apply` with another bundle, other images or settings"):
        typed([*command(whole[1], images, out, "--part", "1/2"), "--frame-step", "7"])
    real = Segment.tile

    def tile(self: Segment, box: object) -> object:
        seen.append(self.inputs.corpus.images[0].id)
        return real(self, box)  # type: ignore[arg-type]

    monkeypatch.setattr(Segment, "tile", tile)
    assert run_cli(command(whole[1], images, out)) == 4
    done = {json.loads(line)["id"] for line in once["masks/index.jsonl"].decode().splitlines()}
    assert 0 < len(seen) < len(done)
    assert made(out) == once


def test_files_that_changed_since_the_parts_are_done_again(
    whole: tuple[Path, Path], images: Path, tmp_path: Path
) -> None:
    own, out = tmp_path / "images", tmp_path / "out"
    own.mkdir()
    first, second = sorted(images.glob("reef*.jpg"))[:2]
    (own / "a.jpg").write_bytes(first.read_bytes())
    (own / "b.jpg").write_bytes(first.read_bytes())
    assert run_cli(command(whole[1], own, out, "--part", "auto")) == 0
    (own / "b.jpg").write_bytes(second.read_bytes())
    (own / "c.jpg").write_bytes(second.read_bytes())
    assert run_cli(command(whole[1], own, out)) == 0
    assert run_cli(command(whole[1], own, tmp_path / "fresh")) == 0
    assert made(out) == made(tmp_path / "fresh")


def test_killed_while_masks_are_moved_it_is_done_again(
    whole: tuple[Path, Path], images: Path, once: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", transaction.staged
    assert run_cli(command(whole[1], images, out, "--part", "auto")) == 0

    @contextmanager
    def staged(root: Path, **names: Any) -> Iterator[Path]:
        with real(root, **names) as folder:
            yield folder
            raise SystemExit

    monkeypatch.setattr(transaction, "staged", staged)
    with pytest.raises(SystemExit):
        typed(command(whole[1], images, out))
    monkeypatch.undo()
    assert run_cli(command(whole[1], images, out)) == 4
    assert made(out) == once


def test_it_is_not_joined_while_parts_are_done(whole: tuple[Path, Path], images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_cli(command(whole[1], images, out, "--part", "1/2")) == 0
    (folder,) = (out / ".begun" / "parts" / "apply").glob("*")
    leases = Leases(folder, seconds=60, owner="a:1:x")
    assert leases.take("00002")
    with pytest.raises(UsageError, match=r"part 2 of apply is being done by a:1:x; wait for it"):
        typed(command(whole[1], images, out))
    leases.give_back("00002")
    assert run_cli(command(whole[1], images, out)) == 4


def test_a_worker_that_is_killed(
    whole: tuple[Path, Path], images: Path, once: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = command(whole[1], images, out, "--part", "1/1", "--lease-minutes", "0.02")
    worker = subprocess.Popen([sys.executable, "-m", "segpipe", *words], stderr=subprocess.PIPE)
    until = time.monotonic() + 600
    while not list(out.glob(".begun/masks/**/*.png")) and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate(timeout=60)
    assert not (out / "masks").exists()
    assert run_cli([*words[:-4], "--part", "auto", "--lease-minutes", "0.02"]) == 0
    for lease in out.glob(".begun/parts/apply/*/*.lease"):
        os.utime(lease, (0, 0))
    assert run_cli(command(whole[1], images, out)) == 4
    assert made(out) == once
