"""Expected numbers were made by the original code (facebookresearch/dino, utils.py and main_dino.py)."""

import pytest

from segpipe.nn.pretraining.schedules import cosine, ramp


def test_learning_rate_rises_and_falls_as_the_originals() -> None:
    found = [cosine(step, steps=20, start=0.0005 * 64 / 256, end=1e-6, warmup=5) for step in range(20)]
    assert found == pytest.approx(
        [
            0.0, 3.125e-05, 6.25e-05, 9.375e-05, 0.000125, 0.000125, 0.00012364515124549594, 0.00011963981837384125,
            0.00011315905365124674, 0.00010448609759424921, 9.4e-05, 8.215905365124675e-05, 6.948076472259451e-05,
            5.6519235277405494e-05, 4.384094634875326e-05, 3.2e-05, 2.151390240575081e-05, 1.2840946348753267e-05,
            6.36018162615874e-06, 2.354848754504047e-06,
        ],
        rel=1e-9,
    )  # fmt: skip


def test_decay_and_momentum_rise_as_the_originals() -> None:
    decay = [cosine(step, steps=6, start=0.04, end=0.4) for step in range(6)]
    assert decay == pytest.approx([0.04, 0.06411542731880099, 0.13, 0.22, 0.31, 0.375884572681199], rel=1e-9)
    momentum = [cosine(step, steps=6, start=0.996, end=1.0) for step in range(6)]
    assert momentum == pytest.approx([0.996, 0.9962679491924311, 0.997, 0.998, 0.999, 0.9997320508075689], rel=1e-12)


def test_temperature_moves_on_a_line_as_the_originals() -> None:
    found = [ramp(step, steps=3, start=0.04, end=0.07) for step in range(10)]
    assert found == pytest.approx([0.04, 0.055] + 8 * [0.07])


def test_one_step_of_warmup_and_of_training() -> None:
    assert cosine(0, steps=5, start=1.0, end=0.0, warmup=1) == 0.0
    assert cosine(0, steps=1, start=1.0, end=0.0) == 1.0
    assert ramp(0, steps=0, start=0.0, end=1.0) == 1.0
    assert ramp(0, steps=1, start=0.0, end=1.0) == 0.0
