import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import MachineError, UsageError
from segpipe.nn import backbones, hub
from segpipe.nn.network import open_network
from segpipe.nn.vit import extract_facets
from tests.helpers.places import SHARED

TINY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


@pytest.mark.parametrize("row", [row for row in backbones.BACKBONES if row.kind == "vit"], ids=lambda row: row.name)
def test_the_table_says_of_each_vit_what_timm_says(row):
    with torch.device("meta"):
        model = backbones._build(row.timm)
    cfg = model.pretrained_cfg
    assert backbones.is_vit(model)
    assert model.patch_embed.patch_size == (row.patch, row.patch)
    assert (model.num_features, len(model.blocks), model.num_prefix_tokens) == (row.width, row.depth, row.prefix)
    assert model.blocks[0].attn.num_heads == row.heads
    assert (cfg["mean"], cfg["std"]) == row.norm
    assert cfg["hf_hub_id"] == row.repo
    assert cfg["license"] == {"Apache-2.0": "apache-2.0", "DINOv3 License": "dinov3-license"}[row.licence]
    if cfg.get("url"):
        assert cfg["url"].endswith("/" + row.published)


def test_the_table_says_of_the_resnet_what_timm_says():
    row = backbones.find_backbone("dino_resnet50")
    stages = timm.create_model("resnet50", num_classes=0).feature_info
    assert (stages[-1]["reduction"], stages[-1]["num_chs"], len(stages)) == (row.patch, row.width, row.depth)


def test_any_timm_model_name_works():
    tiny = backbones.find_backbone(TINY)
    assert tiny.norm == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (tiny.kind, tiny.patch, tiny.width, tiny.depth, tiny.heads, tiny.prefix) == ("vit", 16, 192, 12, 3, 1)
    assert tiny.licence == "apache-2.0"
    assert tiny.repo == f"timm/{TINY}"
    cnn = backbones.find_backbone("convnext_atto.d2_in1k")
    assert (cnn.kind, cnn.patch, cnn.width, cnn.depth) == ("cnn", 32, 320, 4)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("dino_vits61", "did you mean dino_vits16"), ("resnet5", "did you mean resnet"), ("zzzz", "`segpipe backbones`")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, hint):
    with pytest.raises(UsageError, match=hint) as caught:
        backbones.find_backbone(name)
    assert f"extract.backbone={name}" in str(caught.value)


def test_a_network_for_one_input_size_is_refused():
    with pytest.raises(UsageError, match="any size"):
        backbones.find_backbone("swin_tiny_patch4_window7_224")


def test_the_list_says_what_is_at_hand(monkeypatch):
    monkeypatch.setattr(hub, "cached", lambda repo: Path("x") if repo.endswith("vit_base_patch8_224.dino") else None)
    rows = {row.name: row for row in backbones.list_backbones()}
    assert [name for name, row in rows.items() if row.at_hand] == ["classical", "dino_vitb8"]
    assert rows["classical"].weights == "embedded"
    assert "dino_resnet50_pretrain.pth" in rows["dino_resnet50"].weights
    assert rows["dinov3_vits16"].licence == "DINOv3 License"


def test_dino_and_dinov2_without_registers_find_positions_by_their_own_rule():
    rules = {row.name: row.positions for row in backbones.BACKBONES}
    own = {name for name, rule in rules.items() if rule == "dino"}
    assert own == {
        *("dino_vits16", "dino_vits8", "dino_vitb16", "dino_vitb8"),
        *("dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14"),
    }
    for name, rule in rules.items():
        assert backbones.positions_of(name) == rule
        assert backbones.positions_of(name, "timm") == "timm"
    assert backbones.positions_of("vit_small_patch16_224.dino") == "timm"  # timm's own name


@torch.inference_mode()
def test_a_weights_file_follows_the_rule_of_its_row(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    save_file(timm.create_model(TINY, num_classes=0).state_dict(), path)
    row, x = backbones.find_backbone(TINY), torch.randn(1, 3, 96, 64)
    found = []
    for own, given in (("timm", None), ("dino", None), ("dino", "timm"), ("timm", "dino")):
        model, _ = backbones.load_network(replace(row, positions=own), weights=path, positions=given)
        found.append(extract_facets(model, x, facet="token", blocks=(-1,), norm=True)[0])
    by_timm, by_dino, told_timm, told_dino = found
    assert torch.equal(by_timm, told_timm)
    assert torch.equal(by_dino, told_dino)
    assert not torch.allclose(by_timm, by_dino, atol=1e-3)


def test_the_table_needs_neither_torch_nor_timm():
    code = "import sys; from segpipe.nn import backbones; backbones.find_backbone('dino_vits16'); " \
        "assert not {'torch', 'timm'} & set(sys.modules)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)


WAYS_OUT = ("extract.weights=FILE", "HF_HOME", "extract.backbone=classical")


def test_no_network_is_one_line_with_three_ways_out(tmp_path, monkeypatch, capfd):
    calls = []

    def unreachable(url, **settings):
        calls.append((url, settings))
        raise ConnectionError("Name or service not known\nmore")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    with pytest.raises(MachineError, match="Name or service not known") as caught:
        backbones.load_network(backbones.find_backbone("dino_vits16"), weights=None)
    message = str(caught.value)
    assert all(way in message for way in WAYS_OUT)
    assert "dino_vits16" in message
    assert "\n" not in message
    assert len(calls) == 1, "one attempt, no retries"
    assert not calls[0][1].get("retry_on_errors")
    assert capfd.readouterr() == ("", "")


def test_the_resnet_names_its_public_file():
    with pytest.raises(MachineError, match=r"dino_resnet50_pretrain\.pth and set extract\.weights=FILE"):
        backbones.load_network(backbones.find_backbone("dino_resnet50"), weights=None)


@pytest.mark.packs
def test_the_shared_weights_load_strictly_and_give_finite_features():
    path = SHARED / "weights" / "vit_tiny_patch16_224.augreg.safetensors"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the repository")
    row = backbones.find_backbone(TINY)
    model, _ = backbones.load_network(row, weights=path)
    network = open_network(row, model, device="cpu", facet="token", blocks=(-1,), norm=True, precision="float32")
    images = np.random.default_rng(0).integers(0, 256, (2, 192, 256, 3), np.uint8)
    patches, cls = network(images)
    assert patches.shape == (2, 12, 16, 192)
    assert cls.shape == (2, 192)
    assert np.isfinite(patches).all()
    assert patches.std() > 0.1
    # normalised with 0.5, not with ImageNet's mean: the same through timm's own transform
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = model.forward_features(x)[:, 1:].numpy()
    np.testing.assert_allclose(patches.reshape(2, -1, 192), expected, atol=1e-4)
