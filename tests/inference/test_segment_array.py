"""Pictures in memory: stripes by an encoder of colors, and the images of a run against its own masks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import segpipe
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import read_original
from segpipe.inference.encoder import Encoder
from segpipe.inference.segment_array import Segmenter, open_segmenter, segment_picture
from segpipe.nn.head import linear_head
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.pipeline import open_run
from segpipe.records.clusters import ClusterModel, Split
from segpipe.records.features import FeatureHeader
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import reef_run
from tests.helpers.relist import relist

pytestmark = pytest.mark.usefixtures("one_torch_thread")

COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
STRIPES = np.tile(np.repeat([2, 0, 1], (32, 8, 24)), (64, 1))
"""Not its own mirror image; stripes end where patches of 8 pixels do, so that every pixel is most like its own."""


def describe_colors(images: np.ndarray) -> tuple[np.ndarray, None]:
    n, height, width, _ = images.shape
    parts = images.reshape(n, height // 8, 8, width // 8, 8, 3) / np.float32(255)
    return parts.mean(axis=(2, 4), dtype=np.float32), None


def segmenter_of(
    describe: Callable[[np.ndarray], tuple[np.ndarray, None]] = describe_colors,
    *,
    members: np.ndarray | None = None,
    splits: tuple[Split, ...] = (),
    flip: bool = False,
    smooth: float = 0.0,
) -> Segmenter:
    clusters = ClusterModel(np.eye(3, dtype=np.float32), 1.0, members, smooth, splits=splits)
    header = FeatureHeader("colors", "token", (0,), 64, 8, 3, "mean", flipped=flip)
    config = SegmentConfig(clusters.centers, members, flip=flip, splits=splits)
    head = linear_head(3 * np.eye(3), np.zeros(3))
    return Segmenter(header, Encoder(describe, 8, 3, "colors"), head, clusters, config)


@pytest.mark.parametrize("flip", [False, True])
def test_stripes_come_back_and_a_hole_has_no_class(flip: bool) -> None:
    segmenter = segmenter_of(flip=flip)
    np.testing.assert_array_equal(segment_picture(segmenter, COLORS[STRIPES], None, name="reef"), STRIPES)
    valid = np.ones(STRIPES.shape, bool)
    valid[3:20, 5:11] = False
    found = segment_picture(segmenter, COLORS[STRIPES], valid, name="reef")
    np.testing.assert_array_equal(found, np.where(valid, STRIPES, 255))


def test_the_mirrored_picture_has_its_hole_mirrored() -> None:
    """Smoothing takes nothing from the hole, beside which a stripe of a single patch lies."""
    valid = np.ones(STRIPES.shape, bool)
    valid[:, 24:32] = False
    plain, averaged = (
        segment_picture(segmenter_of(flip=flip, smooth=0.3), COLORS[STRIPES], valid, name="reef")
        for flip in (False, True)
    )
    np.testing.assert_array_equal(plain, averaged)


def test_parts_of_a_split_cluster_have_their_numbers() -> None:
    members = np.array([0, 1, 1])
    split = Split(1, 2, np.eye(3, dtype=np.float32)[1:], np.array([1, 0]))
    whole = segment_picture(segmenter_of(members=members), COLORS[STRIPES], None, name="reef")
    np.testing.assert_array_equal(whole, members[STRIPES])
    parts = segment_picture(segmenter_of(members=members, splits=(split,)), COLORS[STRIPES], None, name="reef")
    np.testing.assert_array_equal(parts, np.array([0, 2, 1])[STRIPES])


def test_a_picture_whose_features_are_not_finite_is_named() -> None:
    def broken(images: np.ndarray) -> tuple[np.ndarray, None]:
        patches, _ = describe_colors(images)
        patches[0, 2, 3] = np.nan
        return patches, None

    with pytest.raises(MachineError, match=r"^bay/reef, disturbed: the backbone's features .* not finite"):
        segment_picture(segmenter_of(broken), COLORS[STRIPES], None, name="bay/reef")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return reef_run(tmp_path_factory.mktemp("reef"), images=2, settings={"cluster.n_init": 1})


def check_masks(run: RunDir) -> set[int]:
    """Every image of the run gets its own mask; the clusters that these show."""
    segmenter, corpus = open_segmenter(run, Runtime(), crf=True), load_corpus(run.path("corpus"))
    seen = set[int]()
    for image, line in zip(corpus.images, masks.load_index(run.path("masks")), strict=True):
        pixels = read_original(corpus, image)
        found = segment_picture(segmenter, pixels.rgb, pixels.valid, name=image.id)
        np.testing.assert_array_equal(found, masks.read_part(run.path("masks"), line))
        seen |= set(np.unique(found).tolist())
    return seen


def test_a_picture_gets_the_mask_that_the_run_gave_its_file(run: RunDir) -> None:
    assert len(check_masks(run)) > 1


def test_a_picture_gets_the_parts_of_a_split_cluster_that_the_run_gave_its_file(run: RunDir, tmp_path: Path) -> None:
    split = open_run(Path(shutil.copytree(run.root, tmp_path / "run")))
    segpipe.name(split.root, split=0, into=2)
    assert {0, 4} <= check_masks(split)


def test_masks_without_a_crf_cannot_be_made_with_one(run: RunDir, tmp_path: Path) -> None:
    assert open_segmenter(run, Runtime(), crf=True).config.crf is not None
    assert open_segmenter(run, Runtime(), crf=False).config.crf is None
    plain = open_run(Path(shutil.copytree(run.root, tmp_path / "run")))
    masks.save_header(plain.path("masks"), {**masks.load_header(plain.path("masks")), "crf": None})
    relist(plain, "masks")
    with pytest.raises(UsageError, match=r"was refined without a CRF \(refine\.crf=false\); leave out crf=True"):
        open_segmenter(plain, Runtime(), crf=True)
    assert open_segmenter(plain, Runtime(), crf=False).config.crf is None
    shutil.rmtree(plain.root / "masks")
    with pytest.raises(UsageError, match=r"has no masks/ yet; make it with `segpipe refine"):
        open_segmenter(plain, Runtime(), crf=False)
