import json
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.records.candidates import Candidate, Collapse
from segpipe.store.candidates import (
    folder,
    keep_chosen,
    load_candidates,
    load_outcome,
    save_candidates,
    save_outcome,
)


def candidate(name: str, *, chosen: bool) -> Candidate:
    fall = None if chosen else Collapse(step=130, value=0.97)
    return Candidate(
        name=name, method="stego", center=True, shifts={"self": 0.1}, steps=5, dim=4, collapsed=fall, chosen=chosen
    )


def test_a_table_comes_back_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert load_candidates(tmp_path) == []
    made = [candidate("a", chosen=False), candidate("b", chosen=True)]
    save_candidates(made, tmp_path)
    assert load_candidates(tmp_path) == made
    assert json.loads((tmp_path / "candidates.json").read_text())[0]["collapsed"] == {"step": 130, "value": 0.97}
    for text in ("[{}]", "{}x", "1", "[" * 100_000, '[{"name": 1}]'):
        (tmp_path / "candidates.json").write_text(text)
        with pytest.raises(UsageError, match="segpipe train") as told:
            load_candidates(tmp_path)
        assert "\n" not in str(told.value)


def test_a_candidate_whose_outcome_is_damaged_is_not_finished(tmp_path: Path) -> None:
    save_outcome(candidate("a", chosen=True), tmp_path)
    assert load_outcome(tmp_path) == candidate("a", chosen=True)
    for text in ("", "{", "[]", "[" * 100_000, '{"name": 1}'):
        (tmp_path / "outcome.json").write_text(text)
        assert load_outcome(tmp_path) is None


@pytest.mark.parametrize("moved", [0, 1, 2, 3, 4])
def test_settling_can_be_cut_off_anywhere(tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [candidate("a", chosen=False), candidate("b", chosen=True)]
    for found in made:
        path = folder(tmp_path, found.name)
        for name in ("head.safetensors", "history.jsonl", "histograms.npz", "tb/events"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text(found.name)
        save_outcome(found, path)
        assert load_outcome(path) == found
    left = [moved]
    replace, unlink = Path.replace, Path.unlink

    def cut_off(done):  # type: ignore[no-untyped-def]
        def work(*args, **options):  # type: ignore[no-untyped-def]
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return done(*args, **options)

        return work

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut_off(replace))
        patch.setattr(Path, "unlink", cut_off(unlink))
        with pytest.raises(KeyboardInterrupt):
            keep_chosen(tmp_path, made)
    keep_chosen(tmp_path, made)
    left_over = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left_over == [
        "candidates/a/history.jsonl",
        "head.safetensors",
        "histograms.npz",
        "history.jsonl",
        "tb/events",
    ]
    assert (tmp_path / "head.safetensors").read_text() == "b"
