import argparse
import os
import pickle

import pytest
import safetensors.torch
import timm
import torch

from segpipe.base.errors import UsageError
from segpipe.nn import backbones, weights
from trials.mutations import mutations


def published_vit(*, width=384, patch=16, tokens=197, blocks=12, seed=0):
    """Names and shapes of dino_deitsmall16_pretrain.pth, as published."""
    g = torch.Generator().manual_seed(seed)
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, tokens, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
    }
    for i in range(blocks):
        shapes |= {
            f"blocks.{i}.norm1.weight": (width,),
            f"blocks.{i}.norm1.bias": (width,),
            f"blocks.{i}.attn.qkv.weight": (3 * width, width),
            f"blocks.{i}.attn.qkv.bias": (3 * width,),
            f"blocks.{i}.attn.proj.weight": (width, width),
            f"blocks.{i}.attn.proj.bias": (width,),
            f"blocks.{i}.norm2.weight": (width,),
            f"blocks.{i}.norm2.bias": (width,),
            f"blocks.{i}.mlp.fc1.weight": (4 * width, width),
            f"blocks.{i}.mlp.fc1.bias": (4 * width,),
            f"blocks.{i}.mlp.fc2.weight": (width, 4 * width),
            f"blocks.{i}.mlp.fc2.bias": (width,),
        }
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
    return {k: torch.rand(shape, generator=g) for k, shape in shapes.items()}


def head(prefix):
    return {f"{prefix}mlp.0.weight": torch.ones(4, 4), f"{prefix}last_layer.weight_g": torch.ones(4, 1)}


def prefixed(tensors, prefix):
    return {f"{prefix}{k}": v for k, v in tensors.items()}


@pytest.fixture(scope="module")
def dino():
    return published_vit()


FORMATS = {
    "bare": lambda t: t,
    "teacher": lambda t: {"teacher": prefixed(t, "backbone.") | head("head."), "epoch": 3},
    "student": lambda t: {"student": prefixed(t, "module.backbone.") | head("module.head.")},
    "full checkpoint": lambda t: {
        "student": {k: v + 1 for k, v in prefixed(t, "module.backbone.").items()},
        "teacher": prefixed(t, "backbone.") | head("head."),
        "args": argparse.Namespace(arch="vit_small", lr=0.0005),
        "epoch": 100,
    },
    "state_dict": lambda t: {"state_dict": prefixed(t, "module.encoder.") | {"module.fc.weight": torch.ones(10, 384)}},
    "model": lambda t: {"model": t | {"head.weight": torch.ones(10, 384), "head.bias": torch.ones(10)}},
}


@pytest.fixture(scope="module")
def small(dino):
    """A ViT-S/16 of the real shapes, made once."""
    return backbones._build("vit_small_patch16_224.dino")


@pytest.mark.parametrize("name", FORMATS)
def test_published_dino_formats_load_key_for_key(name, small, dino, tmp_path):
    path = tmp_path / "dino.pth"
    torch.save(FORMATS[name](dino), path)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()
    assert weights.fit(small, weights.read_tensors(path)) == ""
    loaded = small.state_dict()
    assert set(loaded) == set(dino)
    assert all(torch.equal(loaded[k], dino[k]) for k in dino)


def test_half_precision_safetensors_become_float32(small, dino, tmp_path):
    path = tmp_path / "dino.safetensors"
    safetensors.torch.save_file({k: v.half() for k, v in dino.items()}, path)
    assert weights.fit(small, weights.read_tensors(path)) == ""
    assert all(v.dtype == torch.float32 for v in small.state_dict().values())
    assert torch.equal(small.norm.weight, dino["norm.weight"].half().float())


def test_positions_of_another_input_size_are_interpolated(small, dino, tmp_path):
    larger = dino | {"pos_embed": torch.ones(1, 1 + 20 * 20, 384)}
    assert weights.fit(small, larger) == ""
    torch.testing.assert_close(small.pos_embed.detach(), torch.ones(1, 197, 384))


def test_dinov2_naming_with_and_without_registers():
    size = {"depth": 1, "embed_dim": 24, "num_heads": 2}
    plain = published_vit(width=24, patch=14, tokens=1 + 37 * 37, blocks=1)
    plain |= {
        "blocks.0.ls1.gamma": torch.rand(24),
        "blocks.0.ls2.gamma": torch.rand(24),
        "mask_token": torch.rand(1, 24),
    }
    model = timm.create_model("vit_small_patch14_dinov2", num_classes=0, **size)
    assert weights.fit(model, plain) == ""
    assert torch.equal(model.pos_embed, plain["pos_embed"])
    assert torch.equal(model.blocks[0].ls1.gamma, plain["blocks.0.ls1.gamma"])

    registers = plain | {"register_tokens": torch.rand(1, 4, 24)}
    model = timm.create_model("vit_small_patch14_reg4_dinov2", num_classes=0, **size)
    assert weights.fit(model, registers) == ""
    assert torch.equal(model.reg_token, registers["register_tokens"])
    # timm adds the CLS token's position to the token itself
    assert torch.equal(model.cls_token, plain["cls_token"] + plain["pos_embed"][:, :1])
    assert torch.equal(model.pos_embed, plain["pos_embed"][:, 1:])
    assert "mask_token" in registers, "the caller's tensors must stay as they were"


def test_dinov3_naming_and_its_zero_biases(capsys):
    published = published_vit(width=24, patch=16, tokens=1, blocks=1)
    del published["pos_embed"]
    published |= {
        "storage_tokens": torch.rand(1, 4, 24),
        "mask_token": torch.zeros(1, 24),
        "rope_embed.periods": torch.rand(3),
        "blocks.0.ls1.gamma": torch.rand(24),
        "blocks.0.ls2.gamma": torch.rand(24),
        "blocks.0.attn.qkv.bias_mask": torch.ones(72),
        "blocks.0.attn.qkv.bias": torch.zeros(72),
    }
    size = {"depth": 1, "embed_dim": 24, "num_heads": 2}
    model = timm.create_model("vit_small_patch16_dinov3", num_classes=0, **size)
    assert weights.fit(model, published) == ""
    assert torch.equal(model.reg_token, published["storage_tokens"])
    assert torch.equal(model.blocks[0].gamma_2, published["blocks.0.ls2.gamma"])
    assert capsys.readouterr().out == ""

    biased = published | {"blocks.0.attn.qkv.bias": torch.ones(72)}
    assert "_qkvb" in weights.fit(model, biased)
    model = timm.create_model("vit_small_patch16_dinov3_qkvb", num_classes=0, **size)
    assert weights.fit(model, biased) == ""
    assert torch.equal(model.blocks[0].attn.q_bias, torch.ones(24))


def published_resnet50():
    """Names and shapes of dino_resnet50_pretrain.pth: torchvision's, without the classifier."""
    g = torch.Generator().manual_seed(0)
    tensors = {}

    def conv(name, out, into, side):
        tensors[f"{name}.weight"] = torch.randn(out, into, side, side, generator=g) / (into * side * side) ** 0.5

    def norm(name, width):
        tensors.update({f"{name}.{k}": torch.rand(width, generator=g) for k in ("weight", "bias", "running_mean")})
        tensors[f"{name}.running_var"] = torch.ones(width)
        tensors[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    into = 64
    for layer, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            for i, (out, of, side) in enumerate(((width, into, 1), (width, width, 3), (4 * width, width, 1)), start=1):
                conv(f"{name}.conv{i}", out, of, side)
                norm(f"{name}.bn{i}", out)
            if block == 0:
                conv(f"{name}.downsample.0", 4 * width, into, 1)
                norm(f"{name}.downsample.1", 4 * width)
            into = 4 * width
    return tensors


@pytest.mark.parametrize("full", [False, True])
def test_the_published_resnet50_loads_key_for_key(full, tmp_path):
    tensors = published_resnet50()
    path = tmp_path / "dino_resnet50_pretrain.pth"
    torch.save({"teacher": prefixed(tensors, "module.backbone.") | head("module.head.")} if full else tensors, path)
    model, source = backbones.load_network(backbones.find_backbone("dino_resnet50"), weights=path)
    loaded = model.state_dict()
    assert set(loaded) == set(tensors)
    assert all(torch.equal(loaded[k], tensors[k]) for k in tensors)
    assert source == "dino_resnet50_pretrain.pth"
    assert not model.training


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            published_vit(width=48, patch=8, tokens=785, blocks=1),
            r"patch_embed.proj.weight is 48 x 3 x 8 x 8 in the file",
        ),
        (published_vit(width=384, patch=16, tokens=197, blocks=2), r"missing blocks\.2.* and 117 more.*2 blocks"),
        (published_vit() | {"extra.weight": torch.ones(1)}, "unexpected extra.weight"),
        ({"conv1.weight": torch.ones(64, 3, 7, 7)}, r"missing cls_token.*unexpected conv1\.weight.*was made for"),
    ],
)
def test_a_file_of_another_network_is_refused(tensors, message, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(tensors, path)
    with pytest.raises(UsageError, match=message) as caught:
        backbones.load_network(backbones.find_backbone("dino_vits16"), weights=path)
    assert "extract.backbone=dino_vits16" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_refusal_names_the_backbone_that_fits(dino, tmp_path):
    path = tmp_path / "s16.pth"
    torch.save(dino, path)
    with pytest.raises(UsageError, match=r"width 384, patch 16, 12 blocks: set extract\.backbone=dino_vits16"):
        backbones.load_network(backbones.find_backbone("dino_vits8"), weights=path)


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("plain_pickle", [False, True])
def test_code_in_a_weights_file_is_refused_and_not_run(plain_pickle, tmp_path):
    path, target = tmp_path / "bad.pth", tmp_path / "made"
    tree = {"state_dict": {"norm.weight": torch.ones(1)}, "x": Malicious(str(target))}
    if plain_pickle:
        path.write_bytes(pickle.dumps(tree))
    else:
        torch.save(tree, path)
    with pytest.raises(UsageError, match="refused"):
        weights.read_tensors(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.safetensors", b"nonsense", "damaged or not a safetensors file"),
        ("a.pth", b"nonsense", "damaged"),
        ("a.pth", b"", "damaged"),
        ("missing.pth", None, "there is no such weights file"),
    ],
)
def test_unreadable_files_are_named(name, content, message, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        weights.read_tensors(path)
    assert str(path) in str(caught.value)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(UsageError, match="holds no tensors"):
        weights.read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("kind", ["zip.pth", "legacy.pth", "safetensors"])
def test_damaged_files_are_read_or_said_in_one_line(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    tensors = {"patch_embed.proj.weight": torch.rand(4, 3, 2, 2), "cls_token": torch.rand(1, 1, 4).half()}
    if kind == "safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save({"model": tensors}, path, _use_new_zipfile_serialization=kind == "zip.pth")
    said = []
    for content in mutations(path.read_bytes(), 150):
        path.write_bytes(content)
        try:
            assert weights.read_tensors(path)
        except UsageError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all("\n" not in line and str(path) in line for line in said)


@pytest.mark.parametrize("odd", [torch.ones(2, 2).to_sparse(), torch.ones(2, dtype=torch.complex64)])
def test_tensors_that_are_no_plain_arrays_are_refused(tmp_path, odd):
    path = tmp_path / "a.pth"
    torch.save({"a.weight": odd}, path)
    with pytest.raises(UsageError, match=r"'a\.weight' is no plain array of numbers"):
        weights.read_tensors(path)
