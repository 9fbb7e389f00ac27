"""The stream of pictures through views, with a view whose answers are known."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.attend.maps import (
    RenderConfig,
    Scale,
    compute_batch,
    compute_maps,
    map_names,
    render_map,
    shared_scale,
)
from segpipe.commands.attend.process import attend_folder, attend_video
from segpipe.commands.attend.writers import Output, chosen_maps, compare_sheet
from segpipe.images.sources import SourceImage
from segpipe.images.video import VideoReader
from segpipe.inference.backbone_view import BackboneView, open_backbone_view, relative_to_uniform
from segpipe.plots.heatmap import color_table
from segpipe.records.corpus import Rejected

TABLE = color_table("gray")


def red_view(patch=8, seen=None):
    """Attends to red: one head sees the share of red in a patch, the other that of what is not."""

    def attention_maps(images):
        if seen is not None:
            seen.append(len(images))
        count, height, width, _ = images.shape
        cells = images[..., 0].reshape(count, height // patch, patch, width // patch, patch).mean(axis=(2, 4)) / 255
        found = []
        for cell in cells.astype(np.float32):
            found.append({"mean": np.full_like(cell, 0.5), "head00": cell, "head01": 1 - cell})
        return found

    names = ("mean", "head00", "head01")
    return BackboneView("red", "attention", "block 0", patch, names, attention_maps, lambda images: [])


def picture(name, height=32, width=48, red=128, valid=None):
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = red
    return SourceImage(name, rgb, valid)


class Source:
    unit = "images"
    fps = 10.0

    def __init__(self, entries):
        self.entries = entries

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return iter(self.entries)

    def sample(self, count):
        return (entry for entry in self.entries if isinstance(entry, SourceImage))


def output(**more):
    drawing = RenderConfig(TABLE, more.pop("scale", Scale(1.0)), **more)
    return Output(drawing, "map", ("mean", "heads"))


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


def test_pictures_are_let_go(tmp_path):
    """Whatever the number of pictures, only a few are alive at a time."""
    met = []
    most = 0

    class Many(Source):
        def __iter__(self):
            nonlocal most
            for i in range(300):
                rgb = np.zeros((16, 16, 3), np.uint8)
                met.append(weakref.ref(rgb))
                most = max(most, sum(one() is not None for one in met))
                yield SourceImage(str(i), rgb, None)

    source = Many([None] * 300)
    runtime = Runtime(workers=2)
    done = attend_video(source, [red_view()], tmp_path / "a.avi", output(), runtime, fps=10, side=16, batch=4)
    assert done.pictures == 300
    assert most <= 3 * 4 + 2 * 2  # what waits to be drawn, a batch in hand, its predecessor


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


def test_an_even_map_is_one():
    assert relative_to_uniform(np.full((3, 4), 1 / 12, np.float32), "attention") == pytest.approx(1)
    assert relative_to_uniform(np.full((3, 4), 77, np.float32), "activation") == pytest.approx(1)
    assert relative_to_uniform(np.zeros((3, 4), np.float32), "activation") == pytest.approx(0)


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


def test_maps_are_chosen_in_one_order():
    view = red_view()
    assert map_names(view) == ("mean", "colors", "head00", "head01")
    assert chosen_maps(view, ("head01", "mean")) == ("mean", "head01")
    assert chosen_maps(view, ("heads", "colors")) == ("colors", "head00", "head01")


def test_frames_of_another_size_are_put_aside_with_a_way_out(tmp_path):
    source = Source([picture("0"), picture("1", 16, 16), picture("2")])
    done = attend_video(source, [red_view()], tmp_path / "a.avi", output(), Runtime(), fps=5, side=40, batch=2)
    assert done.pictures == len(list(VideoReader(tmp_path / "a.avi"))) == 2
    (item,) = done.rejected
    assert item.path == "1"
    assert item.reason == "16 x 16 pixels, the video has 48 x 32; --resize 48x32 makes them alike"


def test_nothing_usable_leaves_nothing(tmp_path):
    source = Source([Rejected("a.jpg", "empty file")])
    with pytest.raises(CorpusError, match=r"not one picture could be used \(a.jpg: empty file\)"):
        attend_video(source, [red_view()], tmp_path / "a.avi", output(), Runtime(), fps=5, side=40, batch=2)
    with pytest.raises(CorpusError, match="not one picture"):
        attend_folder(source, [red_view()], tmp_path / "out", output(), Runtime(), side=40, batch=2)
    assert not (tmp_path / "a.avi").exists()


def test_classical_responds_to_what_is_unlike_the_rest():
    view = open_backbone_view("classical", None, Runtime(), block=-1, rollout=True)
    assert (view.kind, view.maps) == ("activation", ("activation",))
    rgb = np.random.default_rng(0).integers(90, 110, (1, 96, 128, 3)).astype(np.uint8)
    rgb[0, 32:48, 64:80] = (250, 10, 10)
    (maps,) = view.attention_maps(rgb)
    assert maps["activation"].shape == (6, 8)
    assert np.unravel_index(maps["activation"].argmax(), (6, 8)) == (2, 4)
    (alone,) = view.attention_maps(np.full((1, 16, 16, 3), 9, np.uint8))  # one patch has nothing to differ from
    assert np.isfinite(alone["activation"]).all()


@pytest.mark.parametrize("wanted", [("mean",), ("head01",), ("colors", "heads")])
def test_a_sheet_of_several_backbones_has_a_column_each_and_a_row_per_map(wanted):
    image = picture("a", 300, 300)
    results = [compute_batch([image], view, side=40)[0] for view in (red_view(), red_view(patch=4))]
    drawing = RenderConfig(TABLE, Scale(1e-9))  # all of every map in full strength: white
    found = compare_sheet(image, results, Output(drawing, "map", wanted))
    rows = len(chosen_maps(results[0].view, wanted))
    assert 3 * 300 < found.shape[1] < 3 * 350
    assert rows * 300 < found.shape[0] < rows * 350 + 120
    first = found[:, :310]
    assert (first == (128, 0, 0)).all(axis=2).sum() == 300 * 300
    assert not (found[:, 310:] == (128, 0, 0)).all(axis=2).any()
