import json
from pathlib import Path

import torch

from segpipe.base.options import make
from segpipe.commands.pretrain.card import CARD, PAGE, make_card, page, write_result
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.training_plan import Plan, identity
from segpipe.nn.backbones import build_network, find_backbone, load_network
from segpipe.nn.pretrained import FILE, read_card
from segpipe.nn.projection_head import Headed, ProjectionHead


def card(ended: str = "") -> dict[str, object]:
    options = make(PretrainOptions, {"images": "photos", "out": "own"})
    return make_card(
        identity(options, Plan(3, 4, 2, 2, 8, "float32"), data="abc", init="random"),
        network="test_vit",
        positions="timm",
        licence="CC0-1.0",
        data={"path": "/photos", "images": 3, "list": "abc"},
        ended=ended,
    )


def test_the_result_is_the_teacher_without_its_head(tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = Headed(build_network(find_backbone("test_vit")), ProjectionHead(64, 8))
    write_result(tmp_path, teacher, card())
    model, _ = load_network(find_backbone(str(tmp_path)), weights=None)
    wanted = teacher.backbone.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
    assert read_card(tmp_path / FILE) == json.loads((tmp_path / CARD).read_text("utf-8")) == card()
    assert "licence: CC0-1.0" in (tmp_path / PAGE).read_text("utf-8")


def test_equal_trainings_make_equal_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = Headed(build_network(find_backbone("test_vit")), ProjectionHead(64, 8))
    for name in ("a", "b"):
        write_result(tmp_path / name, teacher, card())
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


def test_the_page_says_what_matters() -> None:
    text = page(card("collapsed: rank 1.2"))
    assert "trained on 3 images of '/photos'" in text
    assert "ended before its last step: collapsed: rank 1.2" in text
    assert "| batch | 2 |" in text
    assert "ended" not in page(card())
