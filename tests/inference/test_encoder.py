"""Features come as they would come back from a packed store."""

import numpy as np

from segpipe.inference.encoder import Encoder, round_trip


class Halves:
    """A codec that keeps halves."""

    def round_trip(self, patches):
        return np.round(patches * 2) / 2


def test_round_trip_passes_every_crop_through_the_codec_and_leaves_the_rest():
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    encoder = Encoder(lambda images: (values, values[:, 0, 0]), 8, 5, "w")
    assert round_trip(encoder, None) is encoder
    patches, cls = round_trip(encoder, Halves()).describe(np.zeros((2, 24, 32, 3), np.uint8))
    assert np.abs(patches - values).max() <= 0.25
    assert np.array_equal(patches * 2, np.rint(patches * 2))
    assert np.array_equal(cls, values[:, 0, 0])
