"""Views of clips: what frames share and what they do not."""

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.commands.pretrain import augment
from segpipe.commands.pretrain.clip_views import clip_captions, make_clip, make_single, shown_frames
from tests.helpers.tiny_headed import SmallOptions

NOTHING = {"flip": 0.0, "jitter": 0.0, "grayscale": 0.0, "blur_first": 0.0, "blur_local": 0.0}
MOVES = {"flip": 1.0, "vertical_flip": 1.0, "rotate": 1.0, "translate": 1.0}


def still(frames: int = 4) -> np.ndarray:
    """A clip in which nothing moves."""
    picture = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    return np.repeat(picture[None], frames, axis=0)


def views(clip: np.ndarray, crops: int = 2, seed: int = 0, **given: float) -> tuple[np.ndarray, np.ndarray]:
    return make_clip(clip, crops, SmallOptions(**given), np.random.default_rng(seed))


def test_shapes_and_range() -> None:
    large, small = views(still())
    assert large.shape == (4, 64, 64, 3)
    assert small.shape == (2, 4, 32, 32, 3)
    for made in (large, small):
        assert made.dtype == np.float32
        assert made.min() >= 0
        assert made.max() <= 1


@pytest.mark.parametrize("given", [NOTHING, {**NOTHING, **MOVES}])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_places_are_shared_by_the_frames_of_the_large_view(given: dict[str, float], seed: int) -> None:
    large, _ = views(still(), seed=seed, **given)
    assert all(np.array_equal(frame, large[0]) for frame in large)


def test_colors_of_the_large_view_change_frame_by_frame() -> None:
    large, _ = views(still(), **{**NOTHING, "jitter": 1.0})
    assert all(np.abs(frame - large[0]).mean() > 0.01 for frame in large[1:])


def test_small_crops_lie_elsewhere_in_each_frame() -> None:
    _, small = views(still(), **NOTHING)
    flat = small.reshape(-1, *small.shape[2:])
    assert len({frame.tobytes() for frame in flat}) == len(flat)


def test_the_large_view_follows_what_moves() -> None:
    """A bright spot that moves by 8 pixels a frame moves evenly in the view too."""
    clip = np.zeros((3, 60, 60, 3), np.uint8)
    for frame, left in enumerate((16, 24, 32)):
        clip[frame, 20:40, left : left + 8] = 255
    large, _ = views(clip, **NOTHING)
    middles = [(frame[..., 0].sum(axis=0) * np.arange(64)).sum() / frame[..., 0].sum() for frame in large]
    assert middles[1] - middles[0] == pytest.approx(middles[2] - middles[1], abs=0.5)
    assert middles[1] - middles[0] > 8  # the crop enlarges


def test_the_same_generator_gives_the_same_views() -> None:
    for one, other in zip(views(still(), seed=3), views(still(), seed=3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(views(still(), seed=3)[0], views(still(), seed=4)[0])


def test_small_crops_are_not_mirrored() -> None:
    """As in the authors' code; a slope stays a slope."""
    slope = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, None, :, None] * 4, (2, 40, 60, 3)).copy()
    _, small = views(slope, crops=6, **{**NOTHING, "flip": 1.0})
    assert (small[..., -1, 0] >= small[..., 0, 0]).all()


def test_no_crops_and_a_single_frame() -> None:
    large, small = views(still(1), crops=0)
    assert large.shape == (1, 64, 64, 3)
    assert small.shape == (0, 1, 32, 32, 3)


def test_squares_are_cut_from_frames_between_a_fifth_and_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = []
    draw = augment.draw_crop

    def told(size, scale, generator):  # type: ignore[no-untyped-def]
        scales.append(scale)
        return draw(size, scale, generator)

    monkeypatch.setattr(augment, "draw_crop", told)
    views(still(2), crops=1)
    assert scales == [(0.2, 1.0), (0.4, 1.0), (0.05, 0.4), (0.05, 0.4)]


def test_a_single_view_is_cut_from_the_whole_frame() -> None:
    frame = still(1)[0]
    frame[:, :3] = frame[:, -3:] = 255
    chosen = SmallOptions(**NOTHING, global_scale=(1.0, 1.0))
    made = make_single(frame, chosen, np.random.default_rng(0))
    assert made.shape == (64, 64, 3)
    wanted = augment.cut(frame, augment.draw_crop(Size(40, 60), (1.0, 1.0), np.random.default_rng(0)), 64)
    assert np.array_equal(made, wanted)


def test_the_sheet_names_what_it_shows() -> None:
    found = clip_captions(SmallOptions(blur_first=0.1), 8, 2)
    assert [caption.split(":")[0] for caption in found] == ["frame 1", "frame 5", "frame 8", "crop 1", "crop 2"]
    assert "64 px, 40-100%" in found[0]
    assert "flip 0.5, jitter 0.8, gray 0.2, blur 0.1" in found[0]
    assert "flip" not in found[-1]
    assert shown_frames(2) == [0, 1]
