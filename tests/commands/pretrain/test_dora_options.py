"""Defaults of DoRA: those of the authors' published call, unless something is given."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.pretrain.dora_options import PUBLISHED, as_published
from segpipe.commands.pretrain.options import PretrainOptions


def chosen(**given: object) -> PretrainOptions:
    return make(PretrainOptions, {"images": "dive.mp4", "out": "own", "method": "dora", **given})


def test_what_is_not_given_is_as_the_authors_call_has_it() -> None:
    """`--local_crops_number 6 --min_lr 0.00001 --norm_last_layer False --step_between_clips 60`."""
    found = as_published(chosen())
    assert (found.local_size, found.local_crops, found.min_lr, found.blur_first) == (112, 6, 1e-5, 0.1)
    assert found.free_last_layer
    assert (found.clip_frames, found.clip_spacing, found.objects) == (8, 60, 3)
    assert (found.sinkhorn_epsilon, found.sinkhorn_rounds) == (0.05, 30)
    assert found.formulas == "coded"


def test_what_is_given_stays() -> None:
    found = as_published(chosen(local_crops=8, min_lr=1e-6))
    assert (found.local_crops, found.min_lr) == (8, 1e-6)
    assert found.local_size == 112


def test_dora_s_defaults_are_options_that_there_are() -> None:
    assert PUBLISHED.keys() <= PretrainOptions.model_fields.keys()
    assert all(PretrainOptions.model_fields[name].default != value for name, value in PUBLISHED.items())
    assert as_published(as_published(chosen())) == as_published(chosen())


@pytest.mark.parametrize(
    ("name", "value"), [("clip_frames", 0), ("objects", 0), ("sinkhorn_epsilon", 0), ("formulas", "other")]
)
def test_what_cannot_be_meant_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        chosen(**{name: value})
