from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.inference.codes import HEAD, encode, open_head
from segpipe.inference.plain_codes import encode_plain, open_plain_head
from segpipe.nn.head import Head, codes, describe_head, linear_head, new_head
from segpipe.records.clusters import ClusterModel
from segpipe.store.checkpoints import save_tensors

RNG = np.random.default_rng(0)


def heads() -> list[Head]:
    return [
        new_head(10, 4, 0.1, seed=1).eval(),
        new_head(10, 4, 0.1, seed=2, activation="silu").eval(),
        linear_head(RNG.normal(size=(4, 10)), RNG.normal(size=10)),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_codes_are_those_of_torch(tmp_path: Path, which: int) -> None:
    head = heads()[which]
    save_tensors(tmp_path / HEAD, head.state_dict(), describe_head(head))
    plain = open_plain_head(tmp_path)
    features = (10 * RNG.normal(size=(70, 130, 10))).astype(np.float16)
    np.testing.assert_allclose(plain.codes(features), codes(head, features), rtol=1e-4, atol=1e-4)
    centers = np.eye(4, dtype=np.float32)
    valid = RNG.random((70, 130)) > 0.2
    for model in (
        ClusterModel(centers, 0.5, smooth=0.5),
        ClusterModel(centers, 0.5, mean=np.ones(4, np.float32), components=centers),
    ):
        np.testing.assert_allclose(
            encode_plain(plain, model, features, valid),
            encode(open_head(tmp_path), model, features, valid),
            rtol=1e-3,
            atol=1e-4,
        )


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_a_damaged_head_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / HEAD).write_bytes(content)
    with pytest.raises(UsageError, match="head"):
        open_plain_head(tmp_path)
