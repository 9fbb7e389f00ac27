"""Views of an image: sizes, draws, probabilities of 0 and 1, images that are mixed."""

import numpy as np
import pytest
import torch

from segpipe.commands.pretrain.image_views import ImageViews, make_view, view_captions, view_rules
from segpipe.commands.pretrain.options import AugmentOptions

NORM = ((0.5, 0.25, 0.0), (0.5, 0.5, 1.0))
NONE = dict.fromkeys(("flip", "jitter", "grayscale", "blur_first", "blur_second", "blur_local", "solarize"), 0.0)
PICTURE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def views(count: int = 1, **options: object) -> ImageViews:
    chosen = AugmentOptions.model_validate({"global_size": 48, "local_size": 32, "local_crops": 3, **options})
    return ImageViews(lambda item: np.roll(PICTURE, 7 * item, axis=1), count, chosen, NORM)


def test_two_large_and_several_small_views() -> None:
    made = views()(0, rng())
    assert [tuple(view.shape) for view in made] == [(3, 48, 48)] * 2 + [(3, 32, 32)] * 3
    assert all(view.dtype == torch.float32 and view.is_contiguous() for view in made)
    assert [tuple(view.shape) for view in views().pair(0, rng())] == [(3, 48, 48)] * 2


def test_the_generator_alone_decides() -> None:
    first, again, other = views()(0, rng()), views()(0, rng()), views()(0, rng(1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_values_are_normalized_by_mean_and_deviation() -> None:
    plain = views(**NONE, global_scale=(1.0, 1.0))(0, rng())[0]
    back = plain * torch.tensor(NORM[1])[:, None, None] + torch.tensor(NORM[0])[:, None, None]
    assert back.min() >= 0
    assert back.max() <= 1.0 + 1e-6
    assert abs(back.mean() - PICTURE.mean() / 255) < 0.02


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("flip", lambda x: x[:, ::-1]),
        ("vertical_flip", lambda x: x[::-1]),
    ],
)
def test_a_probability_of_1_always_happens(name: str, change: object) -> None:
    chosen = AugmentOptions.model_validate({**NONE, "global_scale": (1.0, 1.0)})
    flipped = chosen.model_copy(update={name: 1.0})
    rule = view_rules(chosen)[0]
    assert callable(change)
    np.testing.assert_array_equal(
        make_view(PICTURE, rule, flipped, rng()), change(make_view(PICTURE, rule, chosen, rng()))
    )


def test_turned_by_right_angles() -> None:
    chosen = AugmentOptions.model_validate({**NONE, "rotate": 1.0})
    rule = view_rules(chosen)[0]
    plain = make_view(PICTURE, rule, chosen.model_copy(update={"rotate": 0.0}), rng())
    turned = make_view(PICTURE, rule, chosen, rng())
    assert any(np.array_equal(turned, np.rot90(plain, k)) for k in (1, 2, 3))


def test_another_image_shines_through_all_views() -> None:
    plain, mixed = views(5, **NONE)(0, rng()), views(5, **NONE, mix=1.0)(0, rng())
    assert all(not torch.equal(a, b) for a, b in zip(plain, mixed, strict=True))
    alone = views(1, **NONE, mix=1.0)(0, rng())  # there is no other image
    assert all(torch.equal(a, b) for a, b in zip(plain, alone, strict=True))


def test_captions_say_each_probability() -> None:
    captions = view_captions(AugmentOptions.model_validate({"local_crops": 1, "noise": 0.3}))
    assert captions == (
        "global 1: 224 px, 40-100%\nflip 0.5, jitter 0.8, gray 0.2, blur 1, noise 0.3",
        "global 2: 224 px, 40-100%\nflip 0.5, jitter 0.8, gray 0.2, blur 0.1, solarize 0.2, noise 0.3",
        "local 1: 96 px, 5-40%\nflip 0.5, jitter 0.8, gray 0.2, blur 0.5, noise 0.3",
    )
    nothing = view_captions(AugmentOptions.model_validate({**NONE, "local_crops": 0}))
    assert nothing[1].endswith("\nnothing else")
