import pytest

from segpipe.base.errors import MachineError
from segpipe.nn import hub


def test_the_cache_is_looked_up_without_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert hub.cached("timm/some.model") is None
    folder = tmp_path / "models--timm--some.model"
    snapshot = folder / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123456789abcdef")
    (snapshot / "pytorch_model.bin").write_bytes(b"x")
    assert hub.cached("timm/some.model") == snapshot / "pytorch_model.bin"
    (snapshot / "model.safetensors").write_bytes(b"x")
    assert hub.cached("timm/some.model") == snapshot / "model.safetensors"
    assert hub.revision(snapshot / "model.safetensors") == "0123456789ab"


WAYS_OUT = ("extract.weights=FILE", "HF_HOME", "extract.backbone=classical")


def test_offline_mode_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MachineError, match="HF_HUB_OFFLINE is set") as caught:
        hub.fetch("timm/some.model", name="some")
    assert all(way in str(caught.value) for way in WAYS_OUT)
