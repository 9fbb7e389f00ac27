"""Which network is trained, and what student and teacher begin with."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.pretrain.networks import find_start, make_pair
from segpipe.commands.pretrain.options import PretrainOptions
from tests.helpers.photos import TINY


def options(**values: object) -> PretrainOptions:
    return make(PretrainOptions, {"images": "photos", "out": "own", **TINY, **values})


def test_random_weights_are_those_of_the_seed() -> None:
    start = find_start(options())
    assert (start.row.name, start.weights, start.random) == ("test_vit", None, True)
    before = torch.random.get_rng_state()
    student, teacher, source = make_pair(start, options(), outputs=8, device="cpu")
    again, _, _ = make_pair(start, options(), outputs=8, device="cpu")
    other, _, _ = make_pair(start, options(seed=1), outputs=8, device="cpu")
    assert source == "random"
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, value in student.state_dict().items():
        assert torch.equal(value, teacher.state_dict()[name])
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(student.head.mlp[0].weight, other.head.mlp[0].weight)  # type: ignore[union-attr,index]
    assert not any(each.requires_grad for each in teacher.parameters())
    assert (student.training, teacher.training) == (True, False)


def test_a_file_of_weights_is_begun_with(tmp_path: Path) -> None:
    torch.manual_seed(7)
    known = timm.create_model("test_vit", num_classes=0).state_dict()
    save_file(known, tmp_path / "w.safetensors")
    chosen = options(init=str(tmp_path / "w.safetensors"))
    student, _, source = make_pair(find_start(chosen), chosen, outputs=8, device="cpu")
    assert source.startswith("w.safetensors sha256:")
    assert all(torch.equal(value, known[name]) for name, value in student.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"backbone": "test_resnet"}, "is no ViT"),
        ({"backbone": "classical"}, "is no ViT"),
        ({"init": "test_vit2"}, "backbone=test_vit is another network than init=test_vit2"),
        ({"global_size": 50}, "global_size=50 is no multiple of the 16 pixels .* give global_size=48"),
        ({"local_size": 40}, "local_size=40 is no multiple"),
        ({"init": "nothing/there"}, "nothing/there"),
    ],
)
def test_what_cannot_be_trained(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_start(options(**values))


def test_without_a_name_a_small_vit_is_trained() -> None:
    start = find_start(options(backbone=None))
    assert start.row.name == "vit_tiny_patch16_224"
