import io

import numpy as np
import pytest

from segpipe.base.messages import load, receive, send


def test_messages_follow_each_other_and_arrays_can_be_written_to() -> None:
    pipe = io.BytesIO()
    arrays = [np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((0, 3)), np.arange(24).reshape(4, 6)[::2, ::-1]]
    send(pipe, {"text": "a", "arrays": arrays})
    send(pipe, None)
    pipe.seek(0)
    found = load(receive(pipe))
    assert found["text"] == "a"
    for one, other in zip(found["arrays"], arrays, strict=True):
        np.testing.assert_array_equal(one, other)
        one[...] = 0
    assert load(receive(pipe)) is None
    with pytest.raises(EOFError):
        receive(pipe)


def test_a_message_that_is_cut_short_ends() -> None:
    pipe = io.BytesIO()
    send(pipe, np.arange(1000))
    for length in (2, 4, 12, 30, len(pipe.getvalue()) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(pipe.getvalue()[:length]))
