import dataclasses

import pytest

from segpipe.base.cost import Cost, Work


def test_a_corpus_of_photographs_has_neither_mosaics_nor_frames() -> None:
    work = Work(images=3, crops=12, megapixels=1.5, workers=2, gflops=10.0)
    assert (work.mosaic_windows, work.frame_megapixels, work.decoded_megapixels) == (0, 0, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        work.crops = 0  # type: ignore[misc]
    assert dataclasses.astuple(Cost(2.0, 3.0)) == (2.0, 3.0)
