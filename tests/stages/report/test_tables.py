"""The tables of a report."""

from __future__ import annotations

from segpipe.records.features import FeatureHeader
from segpipe.records.manifest import Manifest, StageRecord
from segpipe.stages.report import tables

HEADER = FeatureHeader("dino", "key", (11,), 224, 16, 384, "mean", False)


def record(seconds: float, **summary: object) -> StageRecord:
    return StageRecord(
        key="a", artefact="a", parts={"settings": {"k": 7, "weights": None}}, summary=summary, seconds=seconds,
        finished="2026-01-02T03:04:05+00:00", versions={"torch": f"2.{seconds:g}"}, machine={"device": "cpu"},
    )  # fmt: skip


def test_stages_come_in_order_with_what_they_found() -> None:
    manifest = Manifest(
        stages={"mine": record(1), "index": record(4, images=3, fingerprint="f", depths={"uint8": 3}, x=[])}
    )
    rows = tables.stage_rows(manifest, ("index", "mine", "train"))
    assert [(row["name"], row["share"]) for row in rows] == [("index", 1.0), ("mine", 0.25)]
    assert rows[0]["found"] == [("images", "3"), ("depths", "uint8 3")]
    assert tables.setting_rows(manifest, ("mine",)) == [("mine", [("k", "7"), ("weights", "none")])]
    assert tables.version_rows(manifest) == [("torch", "2.1, 2.4")]
    assert tables.stage_rows(Manifest(), ("index",)) == []
