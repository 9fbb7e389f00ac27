import numpy as np
import onnxruntime
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import UsageError
from segpipe.nn import onnx
from segpipe.nn.backbones import Backbone
from segpipe.nn.head import linear_head
from segpipe.records.features import FeatureHeader

pytestmark = pytest.mark.usefixtures("one_torch_thread")

ROW = Backbone("tiny", "tiny", "vit", 8, 24, 2, 2, 1, ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)), "none")
HEADER = FeatureHeader("tiny", "token", (-1,), 32, 8, 24, "mean", False)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=0, dynamic_img_size=True
    ).eval()


def test_the_graph_is_network_and_head_one_after_the_other(model, tmp_path):
    rng = np.random.default_rng(0)
    directions, mean = rng.normal(size=(5, 24)).astype(np.float32), rng.normal(size=24).astype(np.float32)
    apart = onnx.write_onnx(ROW, model, linear_head(directions, mean), HEADER, tmp_path / "a.onnx")
    assert 0 <= apart < 1e-3
    rgb = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)  # another batch than the one it was traced with
    (codes,) = onnxruntime.InferenceSession(str(tmp_path / "a.onnx")).run(None, {"rgb": rgb})
    x = (rgb.transpose(0, 3, 1, 2) / 255 - np.array(ROW.norm[0])[:, None, None]) / np.array(ROW.norm[1])[:, None, None]
    with torch.inference_mode():  # timm's own forward pass
        tokens = model.forward_features(torch.from_numpy(x.astype(np.float32)))[:, 1:].numpy()
    expected = (tokens - mean) @ directions.T
    np.testing.assert_allclose(codes.reshape(3, 16, 5), expected, atol=1e-3 * np.abs(expected).max())


def test_a_graph_that_gives_other_codes_is_not_written(model, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "_APART", -1.0)
    head = linear_head(np.eye(5, 24), np.zeros(24))
    with pytest.raises(UsageError, match="codes differ by"):
        onnx.write_onnx(ROW, model, head, HEADER, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
