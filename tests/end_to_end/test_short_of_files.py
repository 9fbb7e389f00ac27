"""Commands that may open few files end with what the machine lacks, and never call an artefact damaged."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from segpipe.store.corpus import load_corpus
from tests.helpers.quick_run import reef_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    reef_run(folder, images=3)
    assert run_cli(["bundle", str(folder / "run"), str(folder / "reef.segpipe"), "-q"]) == 0
    return folder


@contextmanager
def files_left(count: int) -> Iterator[None]:
    """This process opens no more than `count` files beside those it holds."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    while held[-1] < highest:  # the gaps below it
        held.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1 + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for handle in held:
            os.close(handle)


@pytest.mark.parametrize("command", ["export", "cover", "report", "similar", "name", "bundle"])
def test_too_few_files_are_the_machine_s(home: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    more = [str(home / "again.segpipe")] if command == "bundle" else []
    again = ["--force"] if command in ("export", "cover", "report") else []
    if command == "similar":
        more = [load_corpus(home / "run" / "corpus").images[0].id]
    arguments = [command, str(home / "run"), *more, *again]
    assert run_cli(arguments) == 0  # what it imports is there
    codes = []
    for count in (0, 1, 2, 3, 20):
        capsys.readouterr()
        with files_left(count):
            codes.append(run_cli(arguments))
        if codes[-1]:
            (error,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
            assert error.startswith("error: ")
            assert "too many files are open; allow more" in error
    assert codes[0] == 5
    assert codes[-1] == 0
    assert set(codes) == {0, 5}
