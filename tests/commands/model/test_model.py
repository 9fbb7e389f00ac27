"""What `segpipe apply` and `segpipe bundle` say, and what apply refuses before it opens anything."""

from pathlib import Path

import pytest

from segpipe.base.config import Layer
from segpipe.base.errors import UsageError
from segpipe.base.options import Face, make
from segpipe.commands.model import APPLY, BUNDLE
from segpipe.commands.model.options import ApplyOptions, BundleOptions
from segpipe.commands.model.predict_folder import Applied
from segpipe.records.corpus import Rejected


def test_masks_and_skipped_files_are_told() -> None:
    broken = Rejected("b.jpg", "empty file")
    options = make(ApplyOptions, {"model": "m.segpipe", "images": "a", "out": "maps"})
    report = APPLY.report(Applied(3, {"png": 3}, (broken,), ""), options)
    assert report.lines == ["masks    maps/masks  (3 images)"]
    assert (report.listed_in, list(report.skipped)) == (Path("maps/rejected.jsonl"), [broken])
    steered = APPLY.report(Applied(3, {}, (), "guided by 9 points of 2 labels in 3 images"), options)
    assert steered.lines[1] == "classes  guided by 9 points of 2 labels in 3 images"


def test_a_bundle_is_told_and_gives_nothing_to_python() -> None:
    options = make(BundleOptions, {"run": "r", "model": "m.segpipe"})
    assert BUNDLE.report(["bundle   m.segpipe"], options).lines == ["bundle   m.segpipe"]
    assert BUNDLE.value(["bundle   m.segpipe"]) is None


def test_settings_and_options_of_apply_are_checked_first(tmp_path: Path) -> None:
    given = {"model": tmp_path / "m", "images": "a", "out": tmp_path}
    with pytest.raises(UsageError, match="holds 'jpg', which is not a format"):
        APPLY.work(make(ApplyOptions, {**given, "formats": ("jpg",)}), Face())
    with pytest.raises(UsageError, match=r"settings: cluster.k is not a setting"):
        APPLY.work(make(ApplyOptions, given), Face(layers=(Layer("settings", {"cluster.k": 3}),)))
