"""Probes of backbones whose answers are known: planted biases are found, and where there is none none is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.runtime import Runtime
from segpipe.commands.probe.experiment import SquareImages, measure_images, square_side
from segpipe.commands.probe.measures import ProbePlan, count_views
from segpipe.commands.probe.names import (
    AGAIN,
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CHANGE,
    CORNERS,
    CROP,
    DISTANCE,
    DRAWN,
    FOUND,
    GAIN,
    HALF_BLUR,
    LEFT,
    OVERLAP,
    PATCH,
    PATCH_INNER,
    PICTURE,
    ROLL,
    SHARP,
    FindingTable,
    hot_spots,
)
from segpipe.commands.probe.text import sentences
from segpipe.inference.backbone_view import BackboneView, PatchView, open_backbone_view
from segpipe.ops.corruptions.registry import CORRUPTIONS, choose_corruptions, mirrored

pytestmark = pytest.mark.usefixtures("one_torch_thread")

VIT = "vit_tiny_patch16_224"


def made_view(measure, patch=8):
    """A backbone whose map is `measure` of (rows, cols, patch, patch) gray pixels; features are patches' pixels."""

    def see(pictures):
        found = []
        for rgb in pictures:
            rows, cols = rgb.shape[0] // patch, rgb.shape[1] // patch
            gray = rgb.astype(np.float32).mean(axis=2).reshape(rows, patch, cols, patch).swapaxes(1, 2)
            features = (
                rgb.astype(np.float32).reshape(rows, patch, cols, patch, 3).swapaxes(1, 2).reshape(rows, cols, -1)
            )
            found.append(PatchView(np.asarray(measure(gray), np.float32), features, features.mean(axis=(0, 1))))
        return found

    return BackboneView("made", "attention", "block 0 of 0 to 0", patch, ("mean",), lambda images: [], see)


def brightness(gray):
    return gray.mean(axis=(2, 3)) + 1


def to_the_middle(gray):
    y, x = (np.linspace(-1, 1, count) for count in gray.shape[:2])
    return brightness(gray) * np.exp(-1.5 * (y[:, None] ** 2 + x**2))


def glare(gray):
    """Looks for letters: pixels of pure white or pure black."""
    return 0.01 + ((gray > 244) | (gray < 16)).mean(axis=(2, 3))


def nothing(gray):
    return np.ones(gray.shape[:2])


def edges(gray):
    return 0.1 + np.square(np.diff(gray, axis=2)).mean(axis=(2, 3)) + np.square(np.diff(gray, axis=3)).mean(axis=(2, 3))


def scenes(count, length, seed=0):
    """Pictures with most of their light in the middle, as photographs have it, and grain all over."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:length, :length] / length - 0.5
    pixels = []
    for _ in range(count):
        light = 60 + 110 * np.exp(-12 * ((y - rng.uniform(-0.1, 0.1)) ** 2 + (x - rng.uniform(-0.1, 0.1)) ** 2))
        tint = rng.uniform(0.7, 1, 3)
        pixels.append(np.clip(light[..., None] * tint + rng.normal(0, 12, (length, length, 3)), 20, 240))
    return np.stack(pixels).astype(np.uint8)


def squares_of(pixels):
    count = len(pixels)
    return SquareImages(pixels, tuple(f"p{i}" for i in range(count)), tuple(range(count)), ())


def probed(view, measures, names=(), count=6, side=8, workers=1, seed=0):
    chosen = choose_corruptions(names)
    plan = ProbePlan(view, side, measures, chosen, seed)
    found = measure_images(squares_of(scenes(count, side * view.patch)), plan, Runtime("cpu", workers))
    return FindingTable(found.findings), found


def test_a_backbone_that_looks_at_content_alone_has_no_bias():
    found, raw = probed(made_view(brightness), ("center",))
    assert found.get(ROLL, CENTER, 0).low > 0.27  # the photographs do
    for measure in (CENTER, CENTER_INNER):
        share = found.get(ALL_ROLLS, measure, 16)
        assert share.value == pytest.approx(0.25, abs=1e-6)
        assert share.low - 1e-9 <= 0.25 <= share.high + 1e-9
    assert found.get(ALL_ROLLS, DISTANCE, 16).value == pytest.approx(1, abs=1e-6)
    for level in (0.25, 0.5):
        for measure in (OVERLAP, PATCH, PATCH_INNER):
            assert found.get(ROLL, measure, level).value == pytest.approx(1, abs=1e-5)
        assert found.get(ROLL, CHANGE, level).value == pytest.approx(0, abs=1e-5)
    assert "no bias" in sentences(found, "attention")[0]
    assert raw.by_place.shape == (8, 8)
    assert found.get(ALL_ROLLS, CORNERS, 16).value == pytest.approx(0.25, abs=1e-6)
    assert not any("of the frame hold" in said for said in sentences(found, "attention", raw.by_place))


def test_a_planted_bias_to_the_center_is_found():
    found, raw = probed(made_view(to_the_middle), ("center",))
    share = found.get(ALL_ROLLS, CENTER_INNER, 16)
    assert share.low > 0.4
    assert found.get(ALL_ROLLS, DISTANCE, 16).high < 0.9
    assert found.get(ROLL, OVERLAP, 0.5).high < 0.8
    assert found.get(ROLL, CHANGE, 0.5).low > 0.1
    assert found.get(ROLL, PATCH, 0.5).value == pytest.approx(1, abs=1e-5)  # its features have no bias
    assert sentences(found, "attention")[0].startswith("Attention is biased toward the center:")
    assert raw.by_place[3:5, 3:5].min() > 2 > 0.5 > raw.by_place[0, 0]


@pytest.fixture(scope="module")
def vits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ViT of random weights without positions, and the same whose central positions are what CLS asks for."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    model = timm.create_model(VIT, num_classes=0, depth=2)
    with torch.no_grad():
        model.pos_embed.zero_()
        block, width = model.blocks[0], model.embed_dim
        block.attn.qkv.weight *= 40  # fresh weights are so small that attention is even
        save_file(model.state_dict(), folder / "blind.safetensors")
        asked = block.norm1(model.cls_token[0, 0])
        query = torch.nn.functional.linear(asked, block.attn.qkv.weight[:width], block.attn.qkv.bias[:width])
        wanted = query @ block.attn.qkv.weight[width : 2 * width]
        rows, cols = torch.meshgrid(torch.arange(14), torch.arange(14), indexing="ij")
        middle = ((rows - 6.5).abs().maximum((cols - 6.5).abs()) < 3.5).float().reshape(-1, 1)
        model.pos_embed[0, 1:] = 10 * middle * wanted / wanted.norm()
        save_file(model.state_dict(), folder / "planted.safetensors")
    return {name: folder / f"{name}.safetensors" for name in ("blind", "planted")}


def open_vit(path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneView:
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **more: real(name, depth=2, **more))
    return open_backbone_view(VIT, path, Runtime(), block=0)


def test_a_vit_without_positions_has_no_bias(vits: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = probed(open_vit(vits["blind"], monkeypatch), ("center",), count=3, side=4)
    for measure in (CENTER, CENTER_INNER):
        share = found.get(ALL_ROLLS, measure, 16)
        assert share.value == pytest.approx(0.25, abs=1e-5)
        assert share.low - 1e-6 <= 0.25 <= share.high + 1e-6
    assert found.get(ROLL, PATCH, 0.5).value == pytest.approx(1, abs=1e-4)
    assert found.get(ROLL, PICTURE, 0.5).value == pytest.approx(1, abs=1e-4)


def test_a_vit_whose_positions_call_to_the_center_is_biased_there(
    vits: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = probed(open_vit(vits["planted"], monkeypatch), ("center",), count=3, side=4)
    assert found.get(ALL_ROLLS, CENTER, 16).low > 0.3
    assert sentences(found, "attention")[0].startswith("Attention is biased toward the center:")
    assert found.get(ROLL, PATCH, 0.5).value < 0.999  # its features know their place too


def corner_sinks(gray):
    """Most of what is left over goes to the four corners, as some networks do."""
    mass = brightness(gray)
    mass[:: len(mass) - 1, :: len(mass) - 1] += mass.sum() / 2
    return mass


def test_places_that_draw_whatever_lies_there_are_told():
    found, raw = probed(made_view(corner_sinks), ("center",), count=3)
    assert found.get(ALL_ROLLS, CENTER, 16).high < 0.1
    assert found.get(ALL_ROLLS, CORNERS, 16).low > 0.7
    assert hot_spots(raw.by_place) == (4, pytest.approx(2 / 3 + 1 / 48))
    said = sentences(found, "attention", raw.by_place)
    assert said[0].startswith("Attention is biased toward the edges:")
    assert said[1].startswith("4 of the 64 places of the frame hold 6")


def test_focus():
    found, _ = probed(made_view(edges), ("focus",), ("blur",))
    levels = found.levels(HALF_BLUR, SHARP)
    assert [each.level for each in levels] == list(CORRUPTIONS["blur"].levels)
    assert levels[2].low > 0.5  # those before are a quarter of a pixel here and less
    assert levels[-1].low > 0.8
    assert [each.value for each in levels] == sorted(each.value for each in levels)
    assert sentences(found, "activation")[0].startswith("Activation prefers sharp regions")
    blind, _ = probed(made_view(nothing), ("focus",), ("blur",))
    share = blind.strongest(HALF_BLUR, SHARP)
    assert share.value == share.low == share.high == pytest.approx(0.5)
    assert "does not depend on focus" in sentences(blind, "attention")[0]


def test_an_artefact_that_captures_attention_is_found_and_cropping_it_away_restores_the_map():
    names = ("text", "scratches", "jpeg")
    found, _ = probed(made_view(glare), ("artefacts", "agreement"), names)
    text = found.strongest("text-strip", DRAWN)
    assert text.low > 4
    assert found.strongest("text", DRAWN).low > 2
    assert found.strongest("text-strip", LEFT).high < 0.9  # what it takes the rest loses
    assert found.get("jpeg-strip", DRAWN, 50).value == pytest.approx(1, abs=0.2)
    assert any("text attracts most attention" in said for said in sentences(found, "attention"))
    assert found.get(CROP, BESIDE, 0.25).value == pytest.approx(1)  # each patch is seen by itself
    blind, _ = probed(made_view(nothing), ("artefacts",), names)
    for name in names:
        for finding in blind.levels(f"{name}-strip", DRAWN):
            assert finding.value == pytest.approx(1)
        assert blind.strongest(f"{name}-strip", GAIN).value == pytest.approx(0)
    assert sentences(blind, "attention")[0].startswith("No artefact attracts attention")


def spread(gray):
    """A backbone in which one loud patch changes how all others share what is left."""
    loud = glare(gray)
    alone = brightness(gray)
    return loud / loud.sum() + alone / alone.sum() * np.roll(alone, int(100 * loud.max()), axis=1) / alone.max()


def test_what_cropping_restores_is_the_difference_of_the_two_overlaps():
    found, _ = probed(made_view(spread), ("artefacts",), ("text",))
    bound = found.get(CROP, BESIDE, 0.25).value
    for finding in found.levels("text-strip", GAIN):
        beside = found.get("text-strip", BESIDE, finding.level)
        assert finding.value == pytest.approx(bound - beside.value)


def test_nothing_changes_for_a_backbone_that_follows_every_change():
    """Agreement of a mirrored picture is perfect for patch means, whatever lies where."""
    view = made_view(brightness)
    found, _ = probed(view, ("agreement",), ("mirror", "rotation"))
    assert found.get("mirror", OVERLAP, 1).value == pytest.approx(1)
    assert found.get("rotation", OVERLAP, 180).value == pytest.approx(1, abs=1e-3)
    assert found.get("rotation", OVERLAP, 90).value == pytest.approx(1, abs=1e-3)
    assert found.get("mirror", AGAIN, 1).value == 1  # its vector is the mean color, which mirroring keeps
    assert found.get(ANOTHER, OVERLAP, 0).value < 0.99
    assert found.get(ANOTHER, AGAIN, 0).value == 0
    assert found.get(ANOTHER, FOUND, 0).high < 0.6


def test_numbers_do_not_depend_on_workers_nor_on_what_else_is_done():
    names = ("dust", "rotation", "occlusion")
    one, _ = probed(made_view(brightness), ("artefacts", "agreement"), names, workers=1)
    view = made_view(brightness)
    two, _ = probed(replace(view, lanes=3), ("agreement",), names)
    for name in names:
        for measure in (OVERLAP, PATCH, PICTURE):
            assert one.levels(name, measure) == two.levels(name, measure) != []
    alone, _ = probed(made_view(brightness), ("agreement",), ("dust",))
    assert alone.levels("dust", OVERLAP) == one.levels("dust", OVERLAP)
    other, _ = probed(made_view(brightness), ("agreement",), ("dust",), seed=1)
    assert other.levels("dust", OVERLAP) != one.levels("dust", OVERLAP)


def test_the_number_of_forward_passes_is_known_beforehand():
    seen = []
    view = made_view(brightness)

    def see(pictures):
        seen.append(len(pictures))
        return view.patch_views(pictures)

    counted = replace(view, patch_views=see)
    for measures in (("center",), ("focus", "artefacts"), ("center", "focus", "artefacts", "agreement")):
        _, found = probed(counted, measures, ("blur", "text", "hue"), count=2)
        views = count_views(ProbePlan(counted, 8, measures, choose_corruptions(("blur", "text", "hue")), 0))
        assert sum(seen) == 2 + 2 * views  # once to learn the means
        assert found.findings
        seen.clear()


def test_one_picture_has_numbers_without_intervals():
    found, _ = probed(made_view(brightness), ("center", "agreement"), ("hue",), count=1)
    assert found.get("hue", PATCH, 20).low is None
    assert not found.levels(ANOTHER, OVERLAP)
    assert "no interval" in sentences(found, "attention")[0]


def test_a_mirrored_picture_says_where_its_pixels_went():
    rgb = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    made = mirrored(rgb)
    x, y, w = made.back @ (1, 2, 1)
    assert tuple(made.rgb[int(y / w), int(x / w)]) == tuple(rgb[2, 1])


def test_frames_hold_whole_quarters():
    assert [square_side(size, patch) for size, patch in ((256, 16), (224, 14), (16, 32), (240, 16))] == [16, 16, 4, 16]
