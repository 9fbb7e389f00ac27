import pickle
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.files import absolute
from segpipe.base.remote_path import ListedObject, RemotePath, is_url, place


def test_a_place_is_joined_and_printed_like_a_path() -> None:
    root = place("s3://bucket/photos")
    photo = root / "bay/a b.jpg"
    assert isinstance(photo, RemotePath)
    assert str(photo) == "s3://bucket/photos/bay/a b.jpg"
    assert (photo.bucket, photo.key, photo.name, photo.suffix) == (
        "s3://bucket",
        "photos/bay/a b.jpg",
        "a b.jpg",
        ".jpg",
    )
    assert photo.parent.parent == root
    assert str(photo.with_name("b.jpg")) == "s3://bucket/photos/bay/b.jpg"
    assert photo.resolve() == photo.absolute() == photo.expanduser() == photo
    assert pickle.loads(pickle.dumps(photo)) == photo
    assert len({photo, root / "bay" / "a b.jpg"}) == 1


@pytest.mark.parametrize("text", ["s3://bucket", "gs://bucket/a", "az://container/a", "s3:/bucket/lost-a-slash"])
def test_urls_are_known(text: str) -> None:
    assert is_url(text)
    assert str(place(Path(text))).count("//") == 1


@pytest.mark.parametrize("text", ["photos", "./s3", "s3", "/s3:/bucket", "http://host/a", "file:///a"])
def test_other_paths_stay_what_they_are(text: str) -> None:
    assert not is_url(text)
    assert type(place(text)) is type(Path(text))


def test_a_url_stays_one_where_paths_become_absolute() -> None:
    assert absolute("s3://bucket/photos") == absolute("s3:/bucket/photos") == "s3://bucket/photos"


def test_nothing_opens_it_by_mistake() -> None:
    with pytest.raises(UsageError, match="s3://bucket/a lies on an object store"):
        RemotePath("s3://bucket/a").read_bytes()
    with pytest.raises(UsageError, match="copy it to a folder"):
        RemotePath("s3://bucket/a").is_file()


def test_a_listed_object_has_a_size_and_another_time_with_other_bytes() -> None:
    path = RemotePath("s3://bucket/a.jpg")
    one, same, other = (ListedObject.of(path, 7, etag) for etag in ('"aa"', '"aa"', '"ab"'))
    assert one == path
    assert str(one) == str(path)
    assert one.exists()
    assert one.stat().st_size == 7
    assert one.stat().st_mtime_ns == same.stat().st_mtime_ns != other.stat().st_mtime_ns
