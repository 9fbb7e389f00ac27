import pytest
import torch

from segpipe.nn.precision import pick_precision


@pytest.mark.parametrize(
    ("device", "has", "expected"),
    [
        ("cpu", {}, "float32"),
        ("cpu", {"avx512_bf16": False, "amx_bf16": False}, "float32"),
        ("cpu", {"avx512_bf16": True}, "bfloat16"),
        ("cpu", {"amx_bf16": True}, "bfloat16"),
        ("cuda:1", {"cuda": True}, "bfloat16"),
        ("cuda", {"cuda": False}, "float32"),
        ("mps", {"avx512_bf16": True}, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_the_device_multiplies_in_it(monkeypatch, device, has, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has["cuda"])
    assert pick_precision("auto", device) == expected
    assert pick_precision("float32", device) == "float32"
    assert pick_precision("bfloat16", device) == "bfloat16"
