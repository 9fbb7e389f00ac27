import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.shortage import is_of_memory, of_machine, raise_shortage

NUMBERS = ("ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS", "EMFILE", "ENFILE", "EIO", "ENOMEM", "ESTALE")
FILE = Path("no space left.tif")


@pytest.mark.parametrize("number", NUMBERS)
def test_the_system_s_errors_are_the_machine_s(number: str) -> None:
    code = getattr(errno, number)
    with pytest.raises(MachineError, match=r"^no space left\.tif: ") as caught:
        raise_shortage(FILE, OSError(code, "words of the system"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["TIFFWrite: No space left on device", "Too many open files", "Cannot allocate 99 bytes", "Out of memory"]
)
def test_words_of_libraries_are_known(text: str) -> None:
    cause = RuntimeError(text)
    error = ValueError("Read failed. See previous exception for details.")
    error.__cause__ = cause
    with pytest.raises(MachineError):
        raise_shortage(FILE, error)
    assert is_of_memory(error) == ("llocate" in text or "memory" in text)


def test_a_file_s_own_errors_pass_whatever_its_name() -> None:
    raise_shortage(FILE, ValueError(f"{FILE}: broken data"))
    raise_shortage(FILE, OSError(errno.EISDIR, "Is a directory"))
    assert is_of_memory(MemoryError())


@pytest.mark.parametrize("name", NUMBERS)
def test_what_nobody_expected_is_one_line_with_place_and_way_out(name: str) -> None:
    found = of_machine(OSError(getattr(errno, name), "words", "a.tif"))
    assert isinstance(found, MachineError)
    assert re.match(r"a\.tif: .+; .+", str(found))


@pytest.mark.parametrize("name", ["ENAMETOOLONG", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP"])
def test_an_impossible_path_is_a_wrong_argument(name: str) -> None:
    number = getattr(errno, name)
    found = of_machine(OSError(number, os.strerror(number), b"out\xff"))
    assert isinstance(found, UsageError)
    assert str(found) == f"out\udcff: {os.strerror(number)}; choose another place"


def test_the_second_name_is_the_one_that_was_made() -> None:
    found = of_machine(OSError(errno.ENOSPC, "full", "a.tmp", None, "a"))
    assert str(found).startswith("a: no space left")


def test_causes_are_looked_at() -> None:
    wrapped = RuntimeError("write failed")
    wrapped.__cause__ = OSError(errno.ENOSPC, "full", "a.tif")
    assert str(of_machine(wrapped)) == "a.tif: no space left; free some, then run the same command"
    assert "memory" in str(of_machine(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")))
    assert "ulimit -u" in str(of_machine(RuntimeError("can't start new thread")))
    assert "ulimit -u" in str(of_machine(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")))


def test_no_temporary_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "_get_default_tempdir", _nowhere)
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(FileNotFoundError) as caught, tempfile.TemporaryFile():
        pass
    assert str(of_machine(caught.value)).endswith("set TMPDIR to a folder that can be written")


def _nowhere(dirlist: object = None) -> str:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), OSError("encoder"), AssertionError(), OSError(errno.EINVAL, "Invalid")]
)
def test_a_mistake_of_ours_stays_one(error: Exception) -> None:
    assert of_machine(error) is None


def test_a_name_that_this_system_cannot_write_says_what_to_set() -> None:
    code = (
        "from segpipe.base.shortage import of_machine\n"
        "try:\n    open('jard\\u00edn')\n"
        "except UnicodeEncodeError as error:\n    print(ascii(str(of_machine(error))))\n"
    )
    few = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = {**os.environ, **few, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("\"file names of this system are ascii, which has no '\\xed'; set PYTHONUTF8=1")


def test_a_library_that_does_not_fit_into_memory_is_the_machine_s() -> None:
    said = of_machine(ImportError("libfaiss.so: failed to map segment from shared object"))
    assert str(said) == "this machine: the memory is short; fewer runtime.workers take less"


def test_a_name_that_utf_8_cannot_write_is_a_mistake() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        "\ud800".encode()
    assert of_machine(raised.value) is None
