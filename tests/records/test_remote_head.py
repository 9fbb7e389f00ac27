from segpipe.records.manifest import Manifest, StageRecord
from segpipe.records.remote_head import RemoteHead, versions_of

MAKERS = {"corpus": "index", "features": "extract"}


def record(**changes: object) -> StageRecord:
    values = {"key": "k", "artefact": "a", "parts": {}, "summary": {}, "seconds": 1.0, "checksum": "c"}
    return StageRecord(**{**values, "finished": "then", "versions": {}, "machine": {}, **changes})  # type: ignore[arg-type]


def test_a_version_is_of_what_was_made_and_when() -> None:
    def version(**changes: object) -> str:
        return versions_of(Manifest(stages={"index": record(**changes)}), MAKERS)["corpus"]

    assert version() == version(seconds=2.0)
    assert len({version(), version(key="l"), version(checksum="d"), version(finished="later")}) == 4


def test_what_is_not_finished_has_none() -> None:
    assert versions_of(Manifest(), MAKERS) == {}
    assert RemoteHead().folders == {}
