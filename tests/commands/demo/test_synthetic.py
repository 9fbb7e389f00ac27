import numpy as np
import pytest
from PIL import Image, ImageOps

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.commands.demo.synthetic import CLASSES, reef_scene, write_reef_corpus


@pytest.fixture(scope="module")
def reef(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=12, seed=3)
    return folder


def pairs(folder):
    for photo in sorted((folder / "images").rglob("*.*")):
        label = folder / "labels" / photo.relative_to(folder / "images").with_suffix(".png")
        with Image.open(photo) as image, Image.open(label) as labels:
            yield photo, np.asarray(ImageOps.exif_transpose(image)), np.asarray(labels)


@pytest.mark.parametrize("size", [Size(60, 90), Size(97, 41), Size(1, 1), Size(8, 300), Size(240, 320)])
def test_any_size(size):
    rgb, labels = reef_scene(np.random.default_rng(0), size)
    assert rgb.shape == (size.height, size.width, 3)
    assert labels.shape == rgb.shape[:2]
    assert rgb.dtype == labels.dtype == np.uint8
    assert labels.max() < len(CLASSES)


def test_the_generator_decides_everything():
    first, again, other = (reef_scene(np.random.default_rng(seed), Size(60, 80)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def test_corpus_is_mixed_on_purpose(reef):
    names = [path.relative_to(reef / "images") for path, _, _ in pairs(reef)]
    assert len(names) == 12
    assert len({name.parent for name in names}) == 2
    assert {name.suffix for name in names} == {".jpg", ".png"}
    assert any(" " in str(name) and not str(name).isascii() for name in names)
    shapes = {labels.shape for _, _, labels in pairs(reef)}
    assert len(shapes) >= 4
    assert any(h > w for h, w in shapes)
    orientations = []
    for path, rgb, labels in pairs(reef):
        assert rgb.shape[:2] == labels.shape
        with Image.open(path) as image:
            orientations.append(image.getexif().get(274, 1))
    assert 6 in orientations
    assert (reef / "classes.txt").read_text().split() == list(CLASSES)


def test_every_class_is_there_and_none_fills_the_picture(reef):
    shares = np.bincount(np.concatenate([labels.ravel() for _, _, labels in pairs(reef)]), minlength=5) / sum(
        labels.size for _, _, labels in pairs(reef)
    )
    assert shares.min() > 0.04
    assert shares.max() < 0.5


def test_classes_can_be_told_apart_but_not_by_color_alone(reef):
    """Means of color and roughness per class: a nearest-mean rule is good, and far from perfect."""
    features, classes = [], []
    for _, rgb, labels in pairs(reef):
        h, w = (side // 8 * 8 for side in labels.shape)
        cells = rgb[:h, :w].reshape(h // 8, 8, w // 8, 8, 3).astype(float)
        features.append(np.concatenate([cells.mean((1, 3)), 2 * cells.std((1, 3))], axis=-1).reshape(-1, 6))
        classes.append(labels[4:h:8, 4:w:8].ravel())
    x, y = np.concatenate(features), np.concatenate(classes)
    half = len(x) // 2
    means = np.stack([x[:half][y[:half] == c].mean(0) for c in range(5)])
    guess = ((x[half:, None] - means) ** 2).sum(-1).argmin(1)
    assert 0.55 < (guess == y[half:]).mean() < 0.93


def test_labels_lie_as_displayed(reef):
    """Water is blue and above: also in the picture that is stored on its side."""
    turned = [item for item in pairs(reef) if item[2].shape == (320, 240)]
    assert turned
    for _, rgb, labels in turned:
        rows = np.nonzero(labels == 0)[0]
        assert rows.mean() < 0.3 * len(labels)
        water, coral = rgb[labels == 0].mean(0), rgb[labels == 2].mean(0)
        assert water[2] > water[0] + 30
        assert coral[0] > water[0]


def test_no_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="images=0"):
        write_reef_corpus(tmp_path, images=0, seed=0)
