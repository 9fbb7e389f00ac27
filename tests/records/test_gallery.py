import dataclasses

import pytest

from segpipe.records import gallery


def test_samples_compare_by_what_they_show_and_do_not_change() -> None:
    patch = gallery.Patch(image=0, crop=1, row=2, col=3, cosine=0.5)
    assert patch == gallery.Patch(0, 1, 2, 3, 0.5)
    assert patch != dataclasses.replace(patch, col=4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        patch.cosine = 1.0  # type: ignore[misc]
