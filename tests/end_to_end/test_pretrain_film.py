"""A backbone from a film: trained, stopped and gone on with, judged, and used as a backbone."""

from pathlib import Path

import pytest

import segpipe
from segpipe.commands.pretrain.training_loop import Loop
from segpipe.nn.backbones import find_backbone, load_network
from tests.helpers.films import write_film

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {
    "method": "dora", "global_size": 32, "local_size": 16, "local_crops": 2, "clip_frames": 2, "clip_spacing": 2,
    "film_side": 40, "outputs": 64, "steps": 3, "batch": 2, "micro_batch": 1, "judge_every": 1, "judge_images": 4,
    "device": "cpu", "workers": 1, "precision": "float32",
}  # fmt: skip


class Cut(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "dive.avi", [8, 8])


@pytest.fixture(scope="module")
def whole(film: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("own") / "whole"
    return out, segpipe.pretrain(film, out, **SMALL)


def test_a_film_becomes_a_backbone(whole: tuple[Path, dict]) -> None:
    out, done = whole
    assert (done["images"], done["steps"], done["rejected"]) == (12, 3, {})
    rows = done["history"]
    assert [row["step"] for row in rows] == [0, 1, 2]
    for name in ("masked_loss", "local_loss", "kept_share", "knn_agreement", "rank", "spread", "teacher_temperature"):
        assert all(name in row for row in rows), name
    model, _ = load_network(find_backbone(str(out)), weights=None)
    assert model.blocks[0].attn.num_heads == 3
    assert not (out / "cache").exists()


def test_stopped_and_gone_on_with_it_ends_with_the_same_weights(
    film: Path, whole: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, step = tmp_path / "cut", Loop._step

    def stopping(self, number, batches):  # type: ignore[no-untyped-def]
        if number == 2:
            raise Cut
        return step(self, number, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", stopping)
        with pytest.raises(Cut):
            segpipe.pretrain(film, out, **SMALL, checkpoint_minutes=0)
    assert (out / "cache" / "frames.u8").stat().st_size == 16 * 3 * 40 * 53
    done = segpipe.pretrain(film, out, **SMALL, checkpoint_minutes=0)
    wanted, history = whole
    assert (out / "backbone.safetensors").read_bytes() == (wanted / "backbone.safetensors").read_bytes()
    for one, other in zip(done["history"], history["history"], strict=True):
        assert {**one, "images_per_second": 0, "memory_gb": 0} == {**other, "images_per_second": 0, "memory_gb": 0}
