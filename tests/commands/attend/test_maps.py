"""The stream of pictures through views, with a view whose answers are known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Size
from segpipe.commands.attend.maps import (
    RenderConfig,
    Scale,
    compute_batch,
    compute_maps,
    render_map,
    shared_scale,
)
from segpipe.records.corpus import Rejected
from tests.helpers.red_view import TABLE, Source, picture, red_view


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "bad"]), max_size=12), st.integers(1, 5))
def test_order_and_reasons_pass_through_whatever_the_shapes_and_batches(kinds, batch):
    entries = [
        Rejected(str(i), "why") if kind == "bad" else picture(str(i), *((32, 48) if kind == "a" else (48, 16)), red=i)
        for i, kind in enumerate(kinds)
    ]
    seen = []
    found = list(compute_maps(entries, [red_view(seen=seen)], side=40, batch=batch))
    assert [(e if isinstance(e, Rejected) else e[0]) for e in found] == entries
    for i, entry in enumerate(found):
        if not isinstance(entry, Rejected):
            np.testing.assert_allclose(entry[1][0].maps["head00"], i / 255, atol=1e-6)
    assert sum(seen) == sum(kind != "bad" for kind in kinds)
    assert all(size <= batch for size in seen)


def test_a_scale_for_all_makes_brightness_comparable():
    images = [picture("dark", red=51), picture("bright", red=204)]
    view = red_view()
    scale = shared_scale(Source(images), [view], side=40, batch=2)
    own = Scale()
    for drawing, expected in ((RenderConfig(TABLE, scale), [0.25, 1.0]), (RenderConfig(TABLE, own), [0.0, 0.0])):
        strengths = [
            render_map(v, compute_batch([v], view, side=40)[0], "head00", drawing, v.size).strength.mean()
            for v in images
        ]
        np.testing.assert_allclose(strengths, expected, atol=1e-5)


def test_where_there_is_no_image_nothing_is_attended():
    valid = np.ones((32, 48), bool)
    valid[:, 24:] = False
    image = picture("a", valid=valid)
    result = compute_batch([image], red_view(), side=40)[0]
    for name in ("mean", "head00", "colors"):
        drawn = render_map(image, result, name, RenderConfig(TABLE, Scale(0.1), threshold=0.9), image.size)
        assert drawn.strength[:, :20].min() > 0
        assert not drawn.strength[:, 24:].any()
        assert not drawn.paint[:, 24:].any()
        assert not drawn.kept[:, 24:].any()
        small = render_map(image, result, name, RenderConfig(TABLE, Scale(0.1)), Size(16, 24))
        assert not small.paint[:, 12:].any()
        assert small.kept is None
