"""Runs of photographs on an object store, into a folder and into the store: the same bytes as from folder to folder."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import segpipe
from segpipe.base import checksums, object_store
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.remote_path import RemotePath
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.images.corpus_reader import read_original
from segpipe.store.corpus import load_corpus
from segpipe.store.remote_agreement import RemoteAgreement
from tests.helpers import killed_push
from tests.helpers.object_server import SECRET, environment, faulty, keys, new_bucket, upload
from tests.helpers.parted_run import small_shards
from tests.helpers.quick_run import CLASSICAL, SMALL
from tests.helpers.stored_run import machine

ROUNDS = {"cluster.patches": 200, "cluster.prototypes": 16, "cluster.n_init": 2, "cluster.max_iter": 10}
"""A sample of part of the patches, so that clusters take four rounds."""
SETTINGS: dict[str, Any] = {**SMALL, **CLASSICAL, **ROUNDS}
MADE = {"extract": "features", "mine": "pairs", "train": "head", "cluster": "clusters", "refine": "masks"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six drawn photographs, from folder to folder."""
    home = tmp_path_factory.mktemp("folder")
    write_reef_corpus(home, images=6, seed=3)
    with small_shards():
        segpipe.run(home / "images", home / "run", settings=SETTINGS, stop="refine")
    return home


@pytest.fixture(scope="module")
def photos(folder: Path, object_server: str) -> Iterator[RemotePath]:
    """The same photographs on a store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(object_server, folder / "cache").items():
            patch.setenv(name, value)
        place = new_bucket(object_server) / "photos"
        upload(folder / "images", place)
        yield place


@pytest.fixture
def url(photos: RemotePath, bucket: RemotePath) -> RemotePath:
    """A place for a run."""
    return bucket / "runs" / "reef"


def sums(run: Path) -> dict[str, str]:
    return {name: checksums.checksum(run / name) for name in MADE.values()}


def sums_there(url: RemotePath) -> dict[str, str]:
    """Those of a run on a store, as another machine fetches it."""
    opened = segpipe.open(str(url))
    return {name: checksums.checksum(opened._reader.folder(stage)) for stage, name in MADE.items()}


class Killed(BaseException):
    """What ends a process."""


def killed(*_: Any) -> None:
    raise Killed


def files_of(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def test_from_store_to_store_the_bytes_are_those_of_folders(
    folder: Path, photos: RemotePath, url: RemotePath, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sets = [f"{key}={value}" for key, value in SETTINGS.items()]
    with machine(tmp_path, "one"), small_shards():
        arguments = ["run", str(photos), str(url), "--to", "refine", *(word for each in sets for word in ("-S", each))]
        assert run_cli(arguments) == 0
        said = "".join(capfd.readouterr())
        assert f"masks    {url}/masks" in said
        assert str(tmp_path) not in said
    with machine(tmp_path, "two"):
        assert sums_there(url) == sums(folder / "run")
        reef, here = segpipe.open(str(url)), segpipe.open(folder / "run")
        assert (reef.mask("reef 00") == here.mask("reef 00")).all()
        assert reef.probabilities("reef 00").shape == here.probabilities("reef 00").shape  # reads the photograph
        assert run_cli(["export", str(url), "--format", "png"]) == 0
    with machine(tmp_path, "three"):
        assert run_cli(["show", str(url)]) == 0
        assert run_cli(["check", str(url)]) == 0
        segpipe.name(str(url), name=(("0", "coral"),))
        assert run_cli(["run", str(photos), str(url), "--from", "export"]) == 0
    with machine(tmp_path, "four"):
        assert "coral" in [row["name"] for row in rows(segpipe.open(str(url)).classes)]
    said = "".join(capfd.readouterr())
    assert "up to date" in said
    assert SECRET not in said
    for path in (tmp_path / "cache-one", tmp_path / "cache-three"):
        assert not [1 for content in files_of(path) if SECRET.encode() in content]
    assert not [name for name in keys(url) if SECRET.encode() in object_store.read(url / name)[0]]


def rows(table: Any) -> list[dict[str, Any]]:
    return table if isinstance(table, list) else table.to_dict("records")


def test_parts_by_machines_that_share_nothing_but_the_store(
    folder: Path, photos: RemotePath, url: RemotePath, tmp_path: Path
) -> None:
    monkeypatch = pytest.MonkeyPatch()

    def do(name: str, work: Any, *arguments: Any, **options: Any) -> Any:
        with machine(tmp_path, name), small_shards():
            return work(*arguments, **options)

    run = str(url)
    do("head", segpipe.plan, run, parts=3, images=str(photos), index=True, settings=SETTINGS)
    do("one", segpipe.index, str(photos), run, part="2/3")
    do("two", segpipe.index, str(photos), run, part="auto")
    assert do("head", segpipe.merge, run)["index"]["images"] == 6
    do("one", segpipe.extract, run, part="3/3")
    do("two", segpipe.extract, run, part="1/3")
    assert do("head", segpipe.status, run)["extract"]["done"] == 2
    with pytest.raises(UsageError, match=rf"^{url}: 1 of 3 parts of extract are missing: 2; .*{url} --part 2/3"):
        do("three", segpipe.merge, run)
    do("two", segpipe.extract, run, part="auto")
    do("head", segpipe.merge, run)
    do("one", segpipe.run, str(photos), run, start="mine", stop="train")
    for name, part in (("one", "1/3"), ("two", "2/3"), ("one", "3/3")):
        do(name, segpipe.cluster, run, part=part)
    status = do("head", segpipe.status, run)["cluster"]
    assert (status["done"], status["round"][:6]) == (3, "1 of 4")
    monkeypatch.setattr(RemoteAgreement, "close", killed)
    with pytest.raises(Killed):
        do("head", segpipe.merge, run)
    monkeypatch.undo()
    assert do("two", segpipe.status, run)["cluster"]["round"][:6] == "1 of 4"
    do("head", segpipe.merge, run)  # what it had closed and could not say
    assert do("two", segpipe.status, run)["cluster"]["round"][:6] == "2 of 4"
    do("new", segpipe.cluster, run, part="2/3")
    begun = next((tmp_path / "cache-new").glob("runs/*/clusters.partial/.units"))
    assert sorted(path.relative_to(begun).as_posix() for path in begun.rglob("*.npz")) == [
        "centers-1.npz",
        "counts-2/000000001.npz",
        "every/000000001.npz",
        "layout.npz",
    ]
    do("two", segpipe.cluster, run, part="auto")
    do("head", segpipe.merge, run, verify=True)
    do("two", segpipe.refine, run, part="2/3")
    do("new", segpipe.refine, run)  # does what parts have left, and closes it
    assert do("other", sums_there, url) == sums(folder / "run")
    assert do("head", segpipe.merge, run) == {}
    assert not [name for name in keys(url) if ".partial/" in name]


def test_killed_while_it_writes_the_run_stands_as_it_was_and_goes_on(
    folder: Path, photos: RemotePath, url: RemotePath, tmp_path: Path
) -> None:
    sets = [word for key, value in SETTINGS.items() for word in ("-S", f"{key}={value}")]
    command = ["run", str(photos), str(url), "--to", "extract", *sets]
    with machine(tmp_path, "one"):
        ended = subprocess.run([sys.executable, killed_push.__file__, "features", *command], capture_output=True)
    assert ended.returncode == -9, ended.stderr
    assert ".lock" in keys(url)
    with machine(tmp_path, "two"):
        assert list(segpipe.open(str(url))) == ["index"]
        half = [name for name in keys(url) if name.startswith("features/")]
        assert len(half) == killed_push.HALF
        assert run_cli(command) == 6  # another machine cannot know yet that it was killed
    with machine(tmp_path, "one"):
        assert run_cli(command) == 0
    with machine(tmp_path, "two"):
        opened = segpipe.open(str(url))
        assert list(opened) == ["index", "extract"]
        assert (opened.features("reef 00") == segpipe.open(folder / "run").features("reef 00")).all()
    assert ".lock" not in keys(url)


def test_faults_on_the_way_change_nothing(
    folder: Path, photos: RemotePath, tmp_path: Path, object_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGPIPE_CACHE", str(tmp_path / "cache"))
    faults = {1: "503", 4: "drop", 6: "slow", 9: "503", 11: "drop"}
    with faulty(object_server) as proxy, small_shards():
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: faults.get(len(proxy.seen), "")
        segpipe.run(str(photos), tmp_path / "run", settings=SETTINGS, stop="extract")
    assert {fault for _, _, fault in proxy.seen} == {"", "503", "drop", "slow"}
    same = "features/SHA256SUMS"
    assert (tmp_path / "run" / same).read_bytes() == (folder / "run" / same).read_bytes()


def test_a_photograph_that_is_cut_short_or_changed_is_said(
    photos: RemotePath, bucket: RemotePath, folder: Path, tmp_path: Path, object_server: str
) -> None:
    upload(folder / "images", bucket / "own")
    own, run = str(bucket / "own"), tmp_path / "run"
    with faulty(object_server) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.fault = lambda method, path: "truncate" if method == "GET" and path.endswith("reef_03.png") else ""
        with pytest.raises(CorpusError, match=r"own/reef_03.png: \d+ bytes came of an object that is listed with \d+"):
            segpipe.index(own, run, settings=SETTINGS)
    segpipe.index(own, run, settings=SETTINGS)
    object_store.put(bucket / "own" / "reef_03.png", b"other bytes")
    corpus = load_corpus(run / "corpus")
    image = next(each for each in corpus.images if each.path == "reef_03.png")
    with (
        machine(tmp_path, "two"),
        pytest.raises(CorpusError, match=r"own/reef_03.png has changed since it was indexed"),
    ):
        read_original(corpus, image)
    with pytest.raises(UsageError, match=r"index must come first \(files changed\)"):
        segpipe.extract(run)
    object_store.delete(bucket / "own", ["reef_03.png"])
    with machine(tmp_path, "three"), pytest.raises(CorpusError, match=r"cannot be opened any more \(it is gone\)"):
        read_original(corpus, image)
    with machine(tmp_path, "four"):  # the folder's listing says so
        assert segpipe.index(own, run)["images"] == 5
