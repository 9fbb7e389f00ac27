import json

import pytest
from pydantic import ValidationError

from segpipe.records.manifest import Manifest, StageRecord

RECORD = {
    "key": "a", "artefact": "b", "parts": {"format": 1}, "summary": {"images": 3}, "seconds": 0.5,
    "finished": "2025-01-01T00:00:00Z", "versions": {"numpy": "2"}, "machine": {"device": "cpu"},
}  # fmt: skip


def test_the_layout_on_disk_is_the_one_that_old_runs_have() -> None:
    text = json.dumps({"format": 1, "stages": {"index": RECORD}})
    manifest = Manifest.model_validate_json(text)
    assert manifest.stages["index"] == StageRecord(**RECORD)
    written = json.loads(manifest.model_dump_json())
    assert written["stages"]["index"].pop("checksum") == ""  # which old runs do not have
    assert written == json.loads(text)
    assert Manifest().stages == {}


def test_unknown_and_missing_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        StageRecord(**RECORD, more=1)
    with pytest.raises(ValidationError, match="key"):
        StageRecord(**{k: v for k, v in RECORD.items() if k != "key"})
