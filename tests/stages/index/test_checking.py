"""Checking in parts: of whatever files, however they are cut, the corpus has the bytes of one process."""

from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.parts import PartNumber
from segpipe.base.runtime import Runtime
from segpipe.stages import ARTEFACTS, index
from segpipe.stages.index.checking import Checking
from segpipe.store.listed_files import FOLDER, Found
from segpipe.store.run_dir import RunDir
from tests.helpers.mixed_corpus import SETTINGS, write_mixed
from tests.helpers.parted_run import artefact


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mixed(tmp_path_factory.mktemp("mixed") / "images")


def config_of(images: Path, **more: object) -> index.Config:
    return index.Config(images=str(images), **{key.partition(".")[2]: value for key, value in SETTINGS.items()}, **more)


def run_at(root: Path) -> RunDir:
    root.mkdir(exist_ok=True)
    return RunDir(root, ARTEFACTS)


@pytest.fixture(scope="module")
def once(images: Path) -> tuple[Path, index.Summary]:
    """The run done at once."""
    root = images.parent / "once"
    return root, index.run(config_of(images), run_at(root), Runtime())


def opened(images: Path, root: Path) -> Checking:
    out = root / "corpus.partial"
    work = index.open_checking(config_of(images), run_at(root), out, Runtime())
    if not index.SHARING.laid_out(out):
        out.mkdir()
        work.lay_out()
    return work


@pytest.mark.parametrize("order", [(3, 1, 2), (4, 2, 5, 1, 3)])
def test_parts_in_any_order_are_the_corpus_of_one_process(
    images: Path, once: tuple[Path, index.Summary], tmp_path: Path, order: tuple[int, ...]
) -> None:
    (root, expected), name = once, sorted(images.rglob("*.jpg"))[-1]
    assert (expected.mosaics, expected.videos, expected.duplicates, expected.rejected) == (1, 1, 1, 2)
    assert {"uint8", "uint16"} == expected.depths.keys()
    for number in order:
        work = opened(images, tmp_path / "run")  # as another process
        units = PartNumber(number, len(order)).of(work.units)
        if number == len(order):  # on a machine that does not see the last of the photographs
            name.rename(tmp_path / name.name)
        work.write(units)
        if number == len(order):
            (tmp_path / name.name).rename(name)
        assert all((tmp_path / "run" / "corpus.partial" / name).is_file() for name in work.names(units))
    assert index.run(config_of(images), run_at(tmp_path / "run"), Runtime()) == expected
    run_at(tmp_path / "run").clear_progress("corpus")
    assert artefact(tmp_path / "run", "corpus") == artefact(root, "corpus")


def test_what_parts_have_left_is_finished_and_nothing_is_checked_twice(
    images: Path, once: tuple[Path, index.Summary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = opened(images, tmp_path / "run")
    work.write(range(3, 9))
    seen, real = list[int](), Checking._look

    def look(self: Checking, units: range, guards: object) -> list[Found]:
        seen.extend(units)
        return real(self, units, guards)  # type: ignore[arg-type]

    monkeypatch.setattr(Checking, "_look", look)
    opened(images, tmp_path / "run").write(range(4, 7))  # of another cut
    assert seen == []
    index.run(config_of(images), run_at(tmp_path / "run"), Runtime())
    assert sorted(seen) == [*range(3), *range(9, work.units)]
    run_at(tmp_path / "run").clear_progress("corpus")
    assert artefact(tmp_path / "run", "corpus") == artefact(once[0], "corpus")
    assert not (tmp_path / "run" / "corpus" / FOLDER).exists()


def test_a_preview_is_made_by_one_process(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"index.preview.*3: a preview is indexed by one process"):
        index.open_checking(config_of(images, preview=3), run_at(tmp_path / "run"), tmp_path, Runtime())
