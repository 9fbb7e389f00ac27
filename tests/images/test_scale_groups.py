from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.geometry import Size
from segpipe.images.scale_groups import group_scales, told_of_scale, with_scale
from segpipe.records.corpus import Image


def image(name: str, levels: tuple[float, float] | None, depth: str = "float32") -> Image:
    return Image(name, f"{name}.tif", Size(9, 9), depth, "0", 1, levels=levels)


def test_values_more_than_ten_times_apart_part_images() -> None:
    images = [image("a", (-900, 1140)), image("b", (0.0, 1.0)), image("c", (0, 800)), image("d", (3.0, 3.0))]
    a, b, c, d = group_scales(images)
    assert [one.view.scale for one in (a, b, c, d)] == ["", "float32~2", "", ""]
    scaling = {"float32": (-900.0, 1140.0), "float32~2": (0.0, 1.0)}
    assert "0 to 1 have a scale of their own" in told_of_scale(b, scaling).notes[0]
    assert told_of_scale(image("e", (0.0, 1.0)), {"float32": (0.0, 1000.0)}).notes[0].startswith("values that use less")
    assert told_of_scale(image("e", (0.0, 900.0)), {"float32": (0.0, 1000.0)}).notes == ()
    assert with_scale(image("new", (0.1, 0.7)), scaling).view.scale == "float32~2"
    assert with_scale(image("new", (-5.0, 600.0)), scaling).view.scale == ""


def test_depths_do_not_meet_and_a_ladder_of_exposures_stays_together() -> None:
    ladder = [image(f"{i}", (0.0, 5.0**i), "uint16") for i in range(1, 7)]
    assert {one.view.scale for one in group_scales([*ladder, image("f", (0.0, 1.0))])} == {""}


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12))
def test_groups_are_those_of_the_gaps(sizes: list[float]) -> None:
    images = group_scales([image(f"{i}", (0.0, size)) for i, size in enumerate(sizes)])
    scales = [one.view.scale for one in sorted(images, key=lambda one: one.levels or (0, 0))]
    ordered = sorted(sizes)
    gaps = [one > 10 * other for other, one in pairwise(ordered)]
    assert [a != b for a, b in pairwise(scales)] == gaps
    assert len(set(scales)) == 1 + sum(gaps)
