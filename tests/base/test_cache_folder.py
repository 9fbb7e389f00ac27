from pathlib import Path

import pytest

from segpipe.base.cache_folder import FOLDER, LIMIT, NOTE, RUNS, by_url, cache_bytes, cache_folder
from segpipe.base.errors import MachineError, UsageError


def test_the_environment_says_where_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "a" / "b"))
    monkeypatch.setenv(LIMIT, "0.5")
    assert cache_folder() == tmp_path / "a" / "b"
    assert cache_folder().is_dir()
    assert cache_bytes() == 500_000_000


def test_without_it_a_folder_of_the_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.delenv(LIMIT, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder().parent == tmp_path
    assert cache_folder().stat().st_mode & 0o077 == 0
    assert cache_bytes() == 4_000_000_000


def test_a_file_in_its_place_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "cache"))
    with pytest.raises(MachineError, match=f"let {FOLDER} name another one"):
        cache_folder()


@pytest.mark.parametrize("given", ["0", "-1", "many", "nan"])
def test_a_wrong_size_is_said(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, given)
    with pytest.raises(UsageError, match=f"{LIMIT}={given}"):
        cache_bytes()


def test_messages_call_a_run_by_its_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    copy = tmp_path / RUNS / "s3_bucket_my run.0123456789abcdef".replace(" ", "-")
    copy.mkdir(parents=True)
    (copy / NOTE).write_text("s3://bucket/my run")
    assert by_url(f"{copy}: do `segpipe extract {copy} --part 1/3`") == (
        "s3://bucket/my run: do `segpipe extract s3://bucket/my run --part 1/3`"
    )
    assert by_url(f"{copy}/masks/a.png is gone") == "s3://bucket/my run/masks/a.png is gone"
    other = f"{tmp_path}/{RUNS}/none.0123456789abcdef"
    assert by_url(other) == other
    assert by_url("photos/a.jpg") == "photos/a.jpg"
