import pytest
import timm
import torch

from segpipe.nn import cnn

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=0).eval()


@torch.inference_mode()
def test_cnn_stages_agree_with_timm(resnet):
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    last = cnn.extract_maps(resnet, x, stages=(-1,))
    torch.testing.assert_close(last, resnet.forward_features(x).permute(0, 2, 3, 1))
    middle = cnn.extract_maps(resnet, x, stages=(3,))
    assert middle.shape == (1, 4, 6, 256)


@torch.inference_mode()
def test_coarser_stages_are_laid_over_the_finest_in_the_order_asked_for(resnet):
    x = torch.randn(1, 3, 80, 48, generator=torch.Generator().manual_seed(0))  # not whole cells of stride 32
    joined = cnn.extract_maps(resnet, x, stages=(4, 3))
    assert joined.shape == (1, 5, 3, 512 + 256)
    assert cnn.stage_stride(resnet, (4, 3)) == 16
    padded = torch.nn.functional.pad(x, (0, 16, 0, 16), mode="replicate")
    fine, coarse = (cnn.extract_maps(resnet, padded, stages=(s,)) for s in (3, 4))
    torch.testing.assert_close(joined[..., 512:], fine[:, :5, :3])
    # bilinear with aligned cells: a quarter of the way from one coarse center to the next
    torch.testing.assert_close(joined[0, 0, 1, :512], 0.75 * coarse[0, 0, 0] + 0.25 * coarse[0, 0, 1])
