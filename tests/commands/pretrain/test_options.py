import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import declared, make
from segpipe.commands.pretrain.options import PretrainOptions


def test_defaults_are_the_published_ones() -> None:
    chosen = make(PretrainOptions, {"images": "photos", "out": "own"})
    published = {
        "lr": 5e-4, "min_lr": 1e-6, "weight_decay": 0.04, "weight_decay_end": 0.4, "clip": 3.0, "drop_path": 0.1,
        "momentum": 0.996, "teacher_temp": 0.04, "student_temp": 0.1, "center_momentum": 0.9, "global_size": 224,
        "local_size": 96, "local_crops": 8, "global_scale": (0.4, 1.0), "local_scale": (0.05, 0.4), "flip": 0.5,
        "jitter": 0.8, "grayscale": 0.2, "blur_first": 1.0, "blur_second": 0.1, "blur_local": 0.5, "solarize": 0.2,
        "warmup": 10 / 100, "freeze_last": 1 / 100, "free_last_layer": False,
    }  # fmt: skip
    assert {name: getattr(chosen, name) for name in published} == published
    more = ("vertical_flip", "rotate", "translate", "noise", "erase", "mix")
    assert all(getattr(chosen, name) == 0 for name in more)


def test_what_decides_most_comes_first() -> None:
    names = [option.name for option in declared(PretrainOptions)]
    assert names[:5] == ["images", "out", "method", "init", "backbone"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"global_scale": (0.5, 0.2)}, "global_scale=0.5 0.2: give shares 0 < LOW <= HIGH <= 1"),
        ({"local_scale": (0.0, 0.2)}, "give shares"),
        ({"batch": 10, "micro_batch": 4}, "micro_batch=4 does not divide batch=10"),
        ({"clip_frames": 4}, "clip_frames=4 is for method=dora; leave it out"),
        ({"flip": 1.5}, "flip=1.5"),
        ({"steps": 0}, "steps=0"),
        ({"licence": ""}, "licence"),
    ],
)
def test_what_cannot_be_meant(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as error:
        make(PretrainOptions, {"images": "photos", "out": "own", **values})
    assert said in str(error.value)
