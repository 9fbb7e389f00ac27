"""The graph that is exported gives what network and head give one after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from segpipe.nn.backbones import Backbone
from segpipe.nn.head import linear_head, new_head
from segpipe.nn.network import open_network
from segpipe.nn.onnx import Graph, write_onnx
from segpipe.nn.positions import set_rule
from segpipe.records.features import FeatureHeader, Positions

pytestmark = pytest.mark.usefixtures("one_torch_thread")

ROW = Backbone("tiny", "tiny", "vit", 8, 24, 2, 2, 1, ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)), "none")


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["linear", "trained"])
def test_codes_are_those_of_network_and_head(kind: str) -> None:
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
    model = VisionTransformer(**size, num_classes=0, dynamic_img_size=True).eval()
    header = FeatureHeader("tiny", "token", (-1,), 32, 8, 24, "none", False)
    rng = np.random.default_rng(0)
    head = (
        linear_head(rng.normal(size=(5, 24)), rng.normal(size=24)) if kind == "linear" else new_head(24, 5, 0, seed=0)
    )
    rgb = rng.integers(0, 256, (2, 32, 48, 3), np.uint8)
    network = open_network(ROW, model, device="cpu", facet="token", blocks=(-1,), norm=True, precision="float32")
    expected = head.eval()(torch.from_numpy(network(rgb)[0])).numpy()
    found = Graph(ROW, model, head, header)(torch.from_numpy(rgb)).numpy()
    assert found.shape == (2, 4, 6, 5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("rule", ["dino", "timm"])
def test_an_exported_network_finds_its_positions_by_its_rule(rule: Positions, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
    model = VisionTransformer(**size, num_classes=0, dynamic_img_size=True).eval()
    with torch.no_grad():
        model.pos_embed.mul_(50)
    header = FeatureHeader("tiny", "token", (-1,), 88, 8, 24, "none", False)
    head = linear_head(np.eye(5, 24), np.zeros(24)).eval()
    set_rule(model, rule, name="tiny")
    assert write_onnx(ROW, model, head, header, tmp_path / "codes.onnx") < 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "codes.onnx"), providers=["CPUExecutionProvider"])
    rgb = np.random.default_rng(1).integers(0, 256, (1, 88, 88, 3), np.uint8)
    (codes,) = session.run(None, {"rgb": rgb})
    differences = {}
    for other in ("dino", "timm"):
        set_rule(model, other, name="tiny")
        with torch.inference_mode():
            differences[other] = np.abs(Graph(ROW, model, head, header)(torch.from_numpy(rgb)).numpy() - codes).max()
    assert differences.pop(rule) < 1e-4
    assert differences.popitem()[1] > 1e-2
