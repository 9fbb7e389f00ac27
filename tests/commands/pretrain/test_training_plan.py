"""Rules by which a training scales with its images, and what makes two trainings different."""

from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.training_plan import Plan, difference, identity, make_plan, power_of_two


def options(**values: object) -> PretrainOptions:
    return make(PretrainOptions, {"images": "photos", "out": "own", **values})


def plan(items: int, processes: int = 1, *, gpu: bool = False, earlier: Any = None, **values: object) -> Plan:
    return make_plan(options(**values), items, processes=processes, gpu=gpu, precision="float32", earlier=earlier or {})


@pytest.mark.parametrize(
    ("items", "batch", "steps", "outputs"),
    [
        (1, 16, 1000, 1024),
        (591, 64, 1000, 4096),
        (9000, 1024, 1000, 65_536),
        (50_000, 1024, 4900, 65_536),
        (1_281_167, 1024, 125_000, 65_536),
    ],
)
def test_sizes_follow_the_number_of_images(items: int, batch: int, steps: int, outputs: int) -> None:
    found = plan(items)
    assert (found.batch, found.steps, found.outputs) == (batch, steps, outputs)
    assert found.micro_batch == 16


def test_clips_are_fewer_at_a_time_than_images() -> None:
    """Each is several frames, and each frame is shown once for each object."""
    assert (plan(225, method="dora").batch, plan(225, method="dora").micro_batch) == (16, 2)
    long = plan(399_520, gpu=True, method="dora")
    assert (long.batch, long.micro_batch, long.outputs, long.steps) == (128, 8, 65_536, 125_000)


def test_given_numbers_win() -> None:
    found = plan(591, batch=12, steps=7, outputs=30, micro_batch=3, precision="bfloat16")
    assert (found.batch, found.steps, found.outputs, found.micro_batch, found.precision) == (12, 7, 30, 3, "bfloat16")
    assert found.micro_batches == 4


@pytest.mark.parametrize(
    ("batch", "processes", "gpu", "held"), [(64, 1, True, 64), (64, 2, True, 32), (24, 2, False, 12), (7, 1, False, 7)]
)
def test_a_batch_is_shared_out_evenly(batch: int, processes: int, gpu: bool, held: int) -> None:
    found = plan(591, processes, gpu=gpu, batch=batch)
    assert found.micro_batch == held
    assert found.micro_batches % processes == 0


def test_a_batch_that_cannot_be_shared_out() -> None:
    with pytest.raises(UsageError, match=r"batch=9 cannot be shared out to 2 processes .* a multiple of 6"):
        plan(591, 2, batch=9, micro_batch=3)


def test_open_numbers_are_those_of_the_training_that_goes_on() -> None:
    earlier = {"micro_batch": 8, "precision": "bfloat16"}
    found = plan(591, earlier=earlier)
    assert (found.micro_batch, found.precision) == (8, "bfloat16")
    assert plan(591, earlier=earlier, micro_batch=4, precision="float32").precision == "float32"


def test_only_what_decides_the_weights_makes_a_difference() -> None:
    def made(**values: object) -> dict[str, Any]:
        return identity(options(**values), plan(20), data="d", init="random")

    assert difference(made(), made(workers=3, device="cpu", licence="MIT", tensorboard=True, judge_every=5)) == ""
    assert difference(made(), made(flip=0.0, seed=2)) == "flip 0.5 -> 0.0, seed 0 -> 2"
    assert made()["items"] == 20


def test_powers_of_two() -> None:
    assert [power_of_two(value, 2, 64) for value in (0.1, 5, 64, 100)] == [2, 4, 64, 64]
