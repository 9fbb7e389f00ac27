"""Corruptions against plain statements of what they are, and against other libraries."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from segpipe.ops.corruptions import underwater as water
from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    CorruptedImage,
    Corruption,
    corrupt,
    generator,
    shows_image,
    visible_in_both,
    warp_back,
)
from segpipe.records.corruption import FAMILIES

pytestmark = pytest.mark.usefixtures("one_torch_thread")

GEOMETRY = [each.name for each in CORRUPTIONS.values() if each.family == "geometry"]
PUT_ON = ["scratches", "dust", "text", "lines", "occlusion", "clutter"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A picture of many colors with some grain, odd sizes."""
    rng = np.random.default_rng(3)
    noise = ndimage.gaussian_filter(rng.standard_normal((121, 163, 3)), (5, 5, 0))
    grain = 8 * rng.standard_normal((121, 163, 1))
    return np.clip(128 + 40 * noise / noise.std() + grain, 0, 255).astype(np.uint8)


LEVELS = [
    pytest.param(each, level, id=f"{each.name}-{level:g}") for each in CORRUPTIONS.values() for level in each.levels
]


def test_the_table_is_whole() -> None:
    assert {each.family for each in CORRUPTIONS.values()} == set(FAMILIES)
    assert [each.family for each in CORRUPTIONS.values()] == sorted(
        (each.family for each in CORRUPTIONS.values()), key=FAMILIES.index
    )
    assert all(name == each.name for name, each in CORRUPTIONS.items())


@pytest.mark.parametrize(("corruption", "level"), LEVELS)
def test_each_level_changes_the_picture_the_same_way_every_time(
    photo: np.ndarray, corruption: Corruption, level: float
) -> None:
    before = photo.copy()
    found = corrupt(corruption, photo, level, seed=1, image=4)
    assert (photo == before).all()
    assert found.rgb.shape == photo.shape
    assert found.rgb.dtype == np.uint8
    assert (found.rgb != photo).mean() > 0.0005
    again = corrupt(corruption, photo, level, seed=1, image=4)
    assert (found.rgb == again.rgb).all()
    assert (found.touched is None) == (corruption.name not in PUT_ON)
    assert (found.back is None) == (corruption.family != "geometry")


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("jpeg", "text")])
def test_stronger_levels_change_more(photo: np.ndarray, name: str) -> None:
    each = CORRUPTIONS[name]
    changes = []
    for level in each.levels:
        found = corrupt(each, photo, level, seed=0, image=0)
        here = warp_back(found.rgb, found.back, nearest=True).astype(float)
        if each.family == "geometry":  # how much of the picture, at which resolution, is still there
            shown = shows_image(found.back, *photo.shape[:2])
            scale = math.sqrt(abs(np.linalg.det(found.back[:2, :2])))
            changes.append(-min(shown.mean(), visible_in_both(found.back, *photo.shape[:2]).mean(), scale))
        else:
            changes.append(float(np.abs(here - photo).mean()))
    if name not in ("rotation", "viewpoint"):
        assert changes == sorted(changes)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (2, 2), (33, 17)])
def test_odd_and_tiny_pictures_survive(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for each in CORRUPTIONS.values():
        for level in (each.levels[0], each.levels[-1]):
            found = corrupt(each, rgb, level, seed=0, image=0)
            assert found.rgb.shape == rgb.shape, each.name


def test_generators_differ_by_image_name_and_seed_alone() -> None:
    draws = {
        generator(seed, name, image).integers(1 << 60)
        for seed in (0, 1)
        for name in ("blur", "noise")
        for image in (0, 1, 2)
    }
    assert len(draws) == 12
    assert generator(5, "noise", 7).integers(1 << 60) == generator(5, "noise", 7).integers(1 << 60)


# --- geometry -------------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(GEOMETRY),
    share=st.floats(0.05, 1),
    image=st.integers(0, 100),
    height=st.integers(20, 90),
    width=st.integers(20, 90),
)
@settings(max_examples=60)
def test_what_is_moved_is_found_again_where_back_says(
    name: str, share: float, image: int, height: int, width: int
) -> None:
    """A picture that says where its pixels are: brought back, every pixel says its own place to within a pixel."""
    each = CORRUPTIONS[name]
    level = share * each.levels[-1] if each.unit.startswith("deg") else 1 + share
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    rgb = np.stack([x, y, np.full_like(x, 200)], axis=-1).astype(np.uint8)
    found = corrupt(each, rgb, level, seed=0, image=image)
    assert found.back is not None
    seen = visible_in_both(found.back, height, width)
    shown = shows_image(found.back, height, width)
    assert (found.rgb[~shown] == 0).all()
    assert (found.rgb[shown][:, 2] == 200).all()
    there = warp_back(shown, found.back, nearest=True)
    inner = seen & there
    inner[[0, -1]] = inner[:, [0, -1]] = False
    assert inner.any()
    same = warp_back(found.rgb, found.back, nearest=True).astype(int)
    # the nearest pixel is half a pixel of the disturbed picture away: so many of the picture as it was
    step = 1.2 / min(1.0, float(np.sqrt(abs(np.linalg.det(found.back[:2, :2])))) * (0.45 if name == "viewpoint" else 1))
    assert np.abs(same[..., 0] - x)[inner].max() <= step + 1
    assert np.abs(same[..., 1] - y)[inner].max() <= step + 1
    smooth = warp_back(found.rgb, found.back)
    deep = ndimage.binary_erosion(inner, iterations=4)
    if name != "zoom-out":  # which blurs where the picture ends
        assert np.abs(smooth[..., 0] - x)[deep].max(initial=0) <= 1
        assert np.abs(smooth[..., 1] - y)[deep].max(initial=0) <= 1


def test_a_quarter_turn_and_a_half_turn_are_exact() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (31, 31, 3), np.uint8)
    half = CORRUPTIONS["rotation"].apply(rgb, 180, np.random.default_rng(0)).rgb
    assert (half == rgb[::-1, ::-1]).all()
    quarter = CORRUPTIONS["rotation"].apply(rgb, 90, np.random.default_rng(0)).rgb
    assert (quarter == np.rot90(rgb)).all() or (quarter == np.rot90(rgb, -1)).all()


def test_nothing_moved_is_brought_back_as_it_is() -> None:
    values = np.random.default_rng(0).random((5, 7))
    assert warp_back(values, None) is values
    assert visible_in_both(None, 5, 7).all()
    np.testing.assert_allclose(warp_back(values, np.eye(3)), values, atol=1e-6)
    assert (warp_back(values, np.eye(3), nearest=True) == values).all()


def test_a_board_tilted_away_is_seen_by_the_rules_of_perspective() -> None:
    """Corners of the board in space, turned about an axis and projected by hand."""
    rgb = np.zeros((41, 61, 3), np.uint8)
    for image in range(5):
        back = corrupt(CORRUPTIONS["viewpoint"], rgb, 30, seed=0, image=image).back
        towards = generator(0, "viewpoint", image).uniform(0, 2 * math.pi)
        axis = np.array([math.cos(towards), math.sin(towards), 0])
        for x, y in ((0, 0), (60, 0), (60, 40), (17, 9)):
            point = np.array([x - 30, y - 20, 0.0])
            along = axis * (axis @ point)
            turned = (
                along + math.cos(math.pi / 6) * (point - along) + math.sin(math.pi / 6) * np.cross(axis, point - along)
            )
            expected = 61 * turned[:2] / (61 + turned[2]) + (30, 20)
            mapped = back @ (x, y, 1)
            np.testing.assert_allclose(mapped[:2] / mapped[2], expected, atol=1e-9)


# --- focus, light, color --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [2, 8])
def test_blur_is_scipys_gaussian(photo: np.ndarray, sigma: float) -> None:
    found = corrupt(CORRUPTIONS["blur"], photo, sigma, seed=0, image=0).rgb
    here = sigma * 163 / 480
    expected = ndimage.gaussian_filter(photo.astype(float), (here, here, 0), mode="nearest", truncate=4)
    assert np.abs(found - expected).max() < 1.0


def test_motion_blur_draws_a_point_out_along_one_line() -> None:
    rgb = np.zeros((97, 97, 3), np.uint8)
    rgb[48, 48] = 255
    for image in range(4):
        found = corrupt(CORRUPTIONS["motion-blur"], rgb, 51, seed=0, image=image).rgb[..., 0].astype(float)
        rows, cols = np.nonzero(found)
        spread = np.linalg.eigvalsh(np.cov(rows, cols, aweights=found[rows, cols]))
        length = 51 * 97 / 480
        assert spread[1] == pytest.approx(length**2 / 12, rel=0.35)
        assert spread[0] < 0.8
        assert found.sum() == pytest.approx(255, rel=0.25)  # bytes are rounded


def _light(value: float) -> float:
    """IEC 61966-2-1: from a byte of sRGB to light."""
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _byte(light: float) -> float:
    part = min(max(light, 0.0), 1.0)
    return 255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)


def test_exposure_halves_and_doubles_light(photo: np.ndarray) -> None:
    dark = corrupt(CORRUPTIONS["dark"], photo, 2, seed=0, image=0).rgb
    bright = corrupt(CORRUPTIONS["bright"], photo, 1, seed=0, image=0).rgb
    for place in ((0, 0, 0), (60, 80, 1), (100, 20, 2)):
        light = _light(photo[place])
        assert dark[place] == pytest.approx(_byte(light / 4), abs=0.6)
        assert bright[place] == pytest.approx(_byte(light * 2), abs=0.6)


def test_a_gradient_spans_its_stops_and_leaves_the_middle() -> None:
    gray = np.full((101, 101, 3), 90, np.uint8)
    for image in range(4):
        found = corrupt(CORRUPTIONS["gradient"], gray, 2, seed=0, image=image).rgb[..., 0]
        light = np.vectorize(_light)(found.astype(float))
        assert found[50, 50] == pytest.approx(90, abs=1)
        assert math.log2(light.max() / light.min()) == pytest.approx(2, abs=0.15)
        row, col = np.unravel_index(light.argmax(), light.shape)
        assert min(row, 100 - row) + min(col, 100 - col) < 5  # in a corner, as far as bytes tell


def test_noise_is_as_strong_as_it_says_and_grows_with_light() -> None:
    spread = []
    for level in (32, 128, 192):
        gray = np.full((120, 120, 3), level, np.uint8)
        found = corrupt(CORRUPTIONS["noise"], gray, 8, seed=0, image=0).rgb.astype(float) - level
        assert abs(found.mean()) < 0.2
        spread.append(found.std())
    assert spread[1] == pytest.approx(8, rel=0.03)
    assert spread[0] < spread[1] < spread[2]


def test_hue_turns_as_in_colorsys_and_gray_stays() -> None:
    import colorsys

    colors = np.array([[(200, 40, 60), (10, 180, 90), (30, 60, 220), (120, 120, 120)]], np.uint8)
    found = corrupt(CORRUPTIONS["hue"], colors, 60, seed=0, image=1).rgb
    expected = []
    for turn in (-60, 60):
        turned = []
        for color in colors[0]:
            hue, saturation, value = colorsys.rgb_to_hsv(*(color / 255))
            turned.append([255 * part for part in colorsys.hsv_to_rgb((hue + turn / 360) % 1, saturation, value)])
        expected.append(np.abs(found[0] - np.array(turned)).max())
    assert min(expected) <= 1.01
    assert max(expected) > 50


def test_color_is_lost_as_pillow_loses_it(photo: np.ndarray) -> None:
    from PIL import ImageEnhance

    half = np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(0.5)).astype(int)
    found = corrupt(CORRUPTIONS["desaturation"], photo, 0.5, seed=0, image=0).rgb
    assert np.abs(found - half).max() <= 2
    gray = corrupt(CORRUPTIONS["desaturation"], photo, 1, seed=0, image=0).rgb
    assert (gray == gray[..., :1]).all()
    contrast = np.asarray(ImageEnhance.Contrast(Image.fromarray(photo)).enhance(0.4)).astype(int)
    assert np.abs(corrupt(CORRUPTIONS["contrast"], photo, 0.6, seed=0, image=0).rgb - contrast).max() <= 2


def test_a_cast_keeps_the_product_of_channels() -> None:
    gray = np.full((4, 4, 3), 80, np.uint8)
    for image in range(4):
        red, green, blue = corrupt(CORRUPTIONS["cast"], gray, 1, seed=0, image=image).rgb[0, 0]
        stops = sorted(math.log2(_light(part) / _light(80)) for part in (red, green, blue))
        assert sum(stops) == pytest.approx(0, abs=0.08)
        assert stops[-1] - stops[0] == pytest.approx(1, abs=0.08)


# --- artefacts, occlusion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [50, 5])
def test_jpeg_is_that_of_pillow(photo: np.ndarray, quality: int) -> None:
    coded = io.BytesIO()
    Image.fromarray(photo).save(coded, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(coded).convert("RGB")).astype(int)
    found = corrupt(CORRUPTIONS["jpeg"], photo, quality, seed=0, image=0).rgb.astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_blocks_keep_planes_and_lose_detail() -> None:
    """Two frequencies by two: a plane keeps its mean in every block exactly, noise inside a block goes."""
    rgb = np.random.default_rng(0).integers(60, 190, (96, 96, 3), np.uint8)
    found = corrupt(CORRUPTIONS["blocking"], rgb, 40, seed=0, image=0).rgb.astype(float)  # blocks of 8 pixels
    means = [array.reshape(12, 8, 12, 8, 3).mean(axis=(1, 3)) for array in (rgb.astype(float), found)]
    assert np.abs(means[0] - means[1]).max() < 0.6
    for block in (found[:8, :8, 0], found[40:48, 88:, 2]):
        spectrum = np.abs(np.array([[_cosine(block, u, v) for v in range(8)] for u in range(8)]))
        spectrum[:2, :2] = 0
        assert spectrum.max() < 3  # rounding to bytes
    assert (corrupt(CORRUPTIONS["blocking"], rgb[:90, :91], 40, seed=0, image=0).rgb.shape) == (90, 91, 3)


def _cosine(block: np.ndarray, u: int, v: int) -> float:
    """One coefficient of the 8 x 8 DCT by its definition."""
    total = 0.0
    for i in range(8):
        for j in range(8):
            total += block[i, j] * math.cos(math.pi * (2 * i + 1) * u / 16) * math.cos(math.pi * (2 * j + 1) * v / 16)
    return total * (math.sqrt(0.5) if u == 0 else 1) * (math.sqrt(0.5) if v == 0 else 1) / 4


@pytest.mark.parametrize("name", PUT_ON)
def test_what_is_put_on_is_where_touched_says(name: str) -> None:
    """On two grounds of opposite brightness every touched pixel differs on one of them, and no other on any."""
    each = CORRUPTIONS[name]
    for level in each.levels:
        changed = np.zeros((97, 130), bool)
        places = []
        for ground in (0, 128, 255):
            rgb = np.full((97, 130, 3), ground, np.uint8)
            found = corrupt(each, rgb, level, seed=3, image=0)
            assert found.touched is not None
            places.append(found.touched)
            assert not (found.rgb != rgb).any(-1)[~found.touched].any()
            changed |= (found.rgb != rgb).any(-1)
        assert (places[0] == places[1]).all()
        assert (places[0] == places[2]).all()
        assert places[0].any()
        # opacities of a 255th or two do not show on every ground
        assert (changed == places[0]).mean() > 0.99


@pytest.mark.parametrize("name", ["scratches", "dust", "lines", "occlusion", "clutter"])
def test_a_stronger_level_adds_to_a_weaker_one(name: str) -> None:
    rgb = np.full((97, 130, 3), 128, np.uint8)
    each = CORRUPTIONS[name]
    touched = [corrupt(each, rgb, level, seed=3, image=0).touched for level in each.levels]
    for less, more in pairwise(touched):
        assert less is not None
        assert more is not None
        assert (more >= less).mean() > 0.999  # where soft rims overlap the last drawn wins
        assert more.sum() > less.sum()


@pytest.mark.parametrize("name", ["occlusion", "clutter"])
def test_things_cover_the_share_they_should(name: str) -> None:
    rgb = np.full((240, 320, 3), 128, np.uint8)
    for level in CORRUPTIONS[name].levels:
        touched = corrupt(CORRUPTIONS[name], rgb, level, seed=1, image=2).touched
        assert touched is not None
        assert level <= touched.mean() < level + 0.03


# --- water ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("veil", water.OCEANIC_III), ("green-veil", water.COASTAL_5C)])
def test_the_veil_is_the_formula_pixel_by_pixel(name: str, kind: water.Water) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (9, 4, 3), np.uint8)
    found = corrupt(CORRUPTIONS[name], rgb, 3, seed=0, image=0).rgb
    rate = [a + b for a, b in zip(kind.absorption, kind.scattering, strict=True)]
    left = [math.exp(-5 * k) for k in kind.downwelling]
    glow = [b * e / c for b, e, c in zip(kind.scattering, left, rate, strict=True)]
    scale = 0.18 / (sum(glow) / 3)
    for row in range(9):
        distance = 3 * (1 - 0.75 * row / 8)
        for col in range(4):
            for c in range(3):
                clear = math.exp(-rate[c] * distance)
                light = _light(rgb[row, col, c]) * clear + scale * glow[c] * (1 - clear)
                assert found[row, col, c] == pytest.approx(_byte(light), abs=0.6)


def test_red_fades_first_in_clear_water() -> None:
    red, green, blue = water.OCEANIC_III.attenuation
    assert red > blue > green
    veil = water.OCEANIC_III.veil
    assert veil.mean() == pytest.approx(0.18)
    assert veil.argmin() == 0


# --- records --------------------------------------------------------------------------------------------------------


def test_records_refuse_what_cannot_be() -> None:
    rgb = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        CorruptedImage(rgb.astype(float))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="homography"):
        CorruptedImage(rgb, back=np.eye(2))
    with pytest.raises(ValueError, match="touched"):
        CorruptedImage(rgb, touched=np.zeros((5, 4), bool))
    apply = CORRUPTIONS["blur"].apply
    with pytest.raises(ValueError, match="families"):
        Corruption("blur", "fog", (1, 2), "px", apply)
    with pytest.raises(ValueError, match="rise or fall"):
        Corruption("blur", "focus", (1, 3, 2), "px", apply)
