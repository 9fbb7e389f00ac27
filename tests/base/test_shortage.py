import errno
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.shortage import is_of_memory, raise_shortage

FILE = Path("no space left.tif")


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "ENOMEM", "EMFILE", "ENFILE", "EACCES", "EIO", "ESTALE"])
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
