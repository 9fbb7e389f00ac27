"""The judge: what it measures, what it remembers, and when it speaks of a collapse."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from segpipe.base.errors import CorpusError
from segpipe.commands.pretrain.method import Judgement
from segpipe.commands.pretrain.watch import FeatureWatch
from segpipe.images.headers import BadImage
from segpipe.ops.pretraining.feature_health import effective_rank, view_agreement
from tests.helpers.tiny_headed import OUTPUTS, tiny_headed

pytestmark = pytest.mark.usefixtures("one_torch_thread")

IMAGES = 12


class Items:
    """Pictures of noise, two views of each that differ a little; no training."""

    def __init__(self, count: int = IMAGES, unreadable: tuple[int, ...] = ()) -> None:
        self.count, self.unreadable, self.asked = count, unreadable, list[int]()
        self.center = torch.zeros(OUTPUTS)

    def __len__(self) -> int:
        return self.count

    def pair(self, item: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        self.asked.append(item)
        if item in self.unreadable:
            raise BadImage("a.png", "no picture")  # type: ignore[arg-type]
        picture = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(item))
        return picture, picture + 0.05 * torch.from_numpy(generator.standard_normal((3, 32, 32), np.float32))

    def state(self) -> dict[str, Tensor]:
        return {"center": self.center}

    def figures(self, step: int) -> dict[str, float]:
        return {"teacher_temperature": 0.04}


class Constant:
    """A teacher that says the same of everything."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :40]

    def head(self, features: Tensor) -> Tensor:
        return self.scores.expand(len(features), -1)


def watching(items: Items, **more: int) -> FeatureWatch:
    return FeatureWatch(items, images=more.get("images", IMAGES), seed=0, device="cpu")  # type: ignore[arg-type]


def judged(watch: FeatureWatch, teacher: object, step: int = 0) -> Judgement:
    return watch.judge(teacher, step, {})  # type: ignore[arg-type]


def test_figures_are_those_of_the_teacher_s_features() -> None:
    teacher, items = tiny_headed(), Items()
    found = judged(watching(items), teacher)
    pairs = [items.pair(item, np.random.default_rng([0, 77, item])) for item in range(IMAGES)]
    with torch.no_grad():
        one, other = (teacher.features(torch.stack(views).half().float()) for views in zip(*pairs, strict=True))
    assert found.figures["knn_agreement"] == view_agreement(one, other) == 1.0
    assert found.figures["rank"] == pytest.approx(effective_rank(torch.cat([one, other])), rel=1e-5)
    assert 0 < found.figures["spread"] < math.log(OUTPUTS)
    assert not found.collapse


def test_images_are_few_and_the_same_at_every_judgement() -> None:
    items = Items(1000)
    watch = watching(items, images=10)
    first = judged(watch, tiny_headed())
    assert items.asked == list(range(0, 1000, 100))
    again = judged(watch, tiny_headed(), 100)
    assert len(items.asked) == 10  # they are read once
    assert again.figures == first.figures == judged(watching(Items(1000), images=10), tiny_headed()).figures


def test_images_that_cannot_be_read_are_left_out() -> None:
    found = judged(watching(Items(unreadable=(0, 5))), tiny_headed())
    assert found.figures["knn_agreement"] == 1.0
    assert issubclass(BadImage, CorpusError)
    assert judged(watching(Items(unreadable=tuple(range(1, IMAGES)))), tiny_headed()).figures == {}


@pytest.mark.parametrize(
    ("scores", "words"), [(torch.zeros(OUTPUTS), "uniform"), (5.0 * torch.eye(OUTPUTS)[3], "one and the same")]
)
def test_a_collapse_is_said_once_when_it_is_seen_three_times(scores: Tensor, words: str) -> None:
    watch = watching(Items())
    said = [judged(watch, Constant(scores), step).collapse for step in range(5)]
    assert [bool(text) for text in said] == [False, False, True, False, False]
    assert words in said[2]
    assert "--lr" in said[2]
    assert "\n" not in said[2]


def test_a_sign_that_passes_is_not_said() -> None:
    watch, bad = watching(Items()), Constant(torch.zeros(OUTPUTS))
    said = [judged(watch, teacher).collapse for teacher in (bad, bad, tiny_headed(), bad, bad)]
    assert not any(said)


def test_the_center_decides_whether_outputs_are_alike() -> None:
    items, bad = Items(), Constant(5.0 * torch.eye(OUTPUTS)[3])
    items.center = 5.0 * torch.eye(OUTPUTS)[3]
    watch = watching(items)
    assert "uniform" in [judged(watch, bad).collapse for _ in range(3)][-1]


def test_what_it_remembers_survives_a_restart() -> None:
    bad = Constant(torch.zeros(OUTPUTS))
    before, after = watching(Items()), watching(Items())
    judged(before, bad)
    judged(before, bad)
    after.load_state(before.state())
    assert judged(after, bad, 1).collapse
    last = watching(Items())
    last.load_state(after.state())
    assert not judged(last, bad, 2).collapse
    assert after.state() == {"best_rank": pytest.approx(before.state()["best_rank"]), "signs": 3.0, "said": 1.0}
