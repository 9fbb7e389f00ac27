"""What the network sees of a frame, and which networks can look."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.track.lookout import network_size, open_lookout, scaled
from tests.helpers.tiny_vit import VIT

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize(
    ("frame", "side", "patch", "seen"),
    [
        (Size(480, 854), 480, 16, Size(480, 848)),
        (Size(1080, 1920), 480, 14, Size(476, 854)),
        (Size(854, 480), 480, 16, Size(848, 480)),
        (Size(31, 33), 32, 16, Size(32, 32)),
        (Size(100, 5000), 480, 16, Size(32, 1920)),
        (Size(1, 4000), 480, 16, Size(16, 1920)),
    ],
)
def test_the_short_side_is_as_wanted_and_both_are_whole_patches(frame: Size, side: int, patch: int, seen: Size) -> None:
    assert network_size(frame, side=side, patch=patch) == seen


def test_pictures_are_made_larger_and_smaller() -> None:
    rgb = np.full((30, 40, 3), 77, np.uint8)
    assert scaled(rgb, Size(30, 40)) is rgb
    for size in (Size(16, 32), Size(64, 64)):
        assert (scaled(rgb, size) == np.full((size.height, size.width, 3), 77)).all()


def test_a_picture_gives_the_same_alone_and_among_others(tiny_vit: Path) -> None:
    lookout = open_lookout(VIT, tiny_vit, Runtime("cpu"), block=-1)
    pictures = list(np.random.default_rng(0).integers(0, 255, (3, 32, 48, 3)).astype(np.uint8))
    together = lookout.look(pictures)
    assert lookout.patch == 16
    for picture, facets in zip(pictures, together, strict=True):
        (alone,) = lookout.look([picture])
        assert facets.attention.shape == (3, 6)
        assert facets.queries.shape == facets.keys.shape == facets.tokens.shape == (6, 192)
        assert np.allclose(alone.tokens, facets.tokens, atol=1e-4)
        assert (facets.attention.sum(axis=1) < 1).all()


def test_networks_without_heads_or_blocks_are_refused(tiny_vit: Path) -> None:
    with pytest.raises(UsageError, match=r"extract\.backbone=classical has no attention heads.* choose a ViT"):
        open_lookout("classical", None, Runtime("cpu"), block=-1)
    with pytest.raises(UsageError, match="names block 12"):
        open_lookout(VIT, tiny_vit, Runtime("cpu"), block=12)
