"""Files that say which network they are of: found by path, refused where they say nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import UsageError
from segpipe.nn.backbones import (
    backbone_name,
    build_network,
    find_backbone,
    load_network,
    own_file,
    positions_of,
)
from segpipe.nn.pretrained import FILE, KIND, has_card, looks_like_path, read_card, weights_file

CARD = {"kind": KIND, "network": "test_vit", "licence": "CC0-1.0", "positions": "dino"}


def save_backbone(folder: Path, card: Any = CARD) -> Path:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    tensors = timm.create_model("test_vit", num_classes=0).state_dict()
    save_file(tensors, folder / FILE, metadata={"segpipe": json.dumps(card)})
    return folder


def test_a_folder_and_its_file_are_backbones(tmp_path: Path) -> None:
    out = save_backbone(tmp_path / "own")
    for name in (out, out / FILE):
        row = find_backbone(str(name))
        assert (row.timm, row.patch, row.width, row.heads, row.base) == ("test_vit", 16, 64, 2, "test_vit")
        assert (row.licence, row.positions, row.file) == ("CC0-1.0", "dino", out / FILE)
        assert row.title.startswith("own-")
        assert positions_of(str(name)) == "dino"
        assert own_file(str(name)) == out / FILE
        model, source = load_network(row, weights=None)
        assert source.startswith(f"{FILE} sha256:")
        torch.manual_seed(0)
        wanted = timm.create_model("test_vit", num_classes=0).state_dict()
        assert all(torch.equal(value, wanted[key]) for key, value in model.state_dict().items())


def test_names_of_networks_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_backbone(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert backbone_name("own") == str(tmp_path / "own")
    assert backbone_name("dino_vits16") == "dino_vits16"
    assert backbone_name("vit_tiny_patch16_224") == "vit_tiny_patch16_224"
    assert own_file("dino_vits16") is None
    (tmp_path / "dino_vits16").mkdir()
    save_backbone(tmp_path / "dino_vits16")
    assert own_file("dino_vits16") is None
    assert find_backbone("dino_vits16").file is None


def test_other_weights_are_refused_beside_it(tmp_path: Path) -> None:
    row = find_backbone(str(save_backbone(tmp_path / "own")))
    with pytest.raises(UsageError, match="holds its weights; leave out"):
        load_network(row, weights=tmp_path / "own" / FILE)


def test_a_changed_file_has_another_source(tmp_path: Path) -> None:
    out = save_backbone(tmp_path / "own")
    _, before = load_network(find_backbone(str(out)), weights=None)
    save_backbone(out, CARD | {"licence": "MIT"})
    _, after = load_network(find_backbone(str(out)), weights=None)
    assert before != after


@pytest.mark.parametrize("card", [{}, None, [1], {"kind": "other"}])
def test_a_file_without_a_card_is_refused(tmp_path: Path, card: Any) -> None:
    out = save_backbone(tmp_path / "own", card)
    assert not has_card(out / FILE)
    assert positions_of(str(out)) == "timm"
    with pytest.raises(UsageError, match=r"has no card .* set extract.backbone to that network"):
        find_backbone(str(out))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"positions": "own"}, "positions"), ({"licence": 3}, "licence"), ({"network": "a/b"}, "names no network")],
)
def test_a_damaged_card_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    out = save_backbone(tmp_path / "own", CARD | change)
    with pytest.raises(UsageError, match=said):
        find_backbone(str(out))


def test_a_damaged_file_and_a_missing_one(tmp_path: Path) -> None:
    out = save_backbone(tmp_path / "own")
    (out / FILE).write_bytes((out / FILE).read_bytes()[:100])
    assert not has_card(out / FILE)
    with pytest.raises(UsageError, match="no safetensors file"):
        read_card(out / FILE)
    (out / FILE).unlink()
    assert weights_file(out) is None
    with pytest.raises(UsageError, match=r"there is no backbone\.safetensors"):
        find_backbone(str(out))


def test_what_can_only_be_a_path() -> None:
    assert looks_like_path("./own")
    assert looks_like_path("own.safetensors")
    assert looks_like_path("~own")
    assert not looks_like_path("vit_small_patch16_224.dino")
    assert weights_file("\0") is None


def test_a_network_begins_as_timm_begins_with_it() -> None:
    torch.manual_seed(3)
    made = build_network(find_backbone("test_vit"), drop_path=0.2)
    torch.manual_seed(3)
    wanted = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True, drop_path_rate=0.2)
    assert all(torch.equal(value, wanted.state_dict()[key]) for key, value in made.state_dict().items())
    rates: Any = [block.drop_path1 for block in made.blocks]  # type: ignore[union-attr]
    assert rates[-1].drop_prob == pytest.approx(0.2)
