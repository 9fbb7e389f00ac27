import numpy as np
import pytest
import torch

from segpipe.nn.head import Head, build_head, codes, describe_head, drop_channels, drop_values, linear_head, new_head


def test_codes_are_the_published_sum_of_a_linear_and_a_nonlinear_part() -> None:
    head = new_head(6, 4, 0.1, seed=0)
    head.mean.copy_(torch.arange(6.0))
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype(np.float32)
    w = {name: tensor.detach().numpy().astype(float) for name, tensor in head.state_dict().items()}
    z = x - w["mean"]
    hidden = np.maximum(z @ w["nonlinear.0.weight"].T + w["nonlinear.0.bias"], 0)
    expected = z @ w["linear.weight"].T + w["linear.bias"] + hidden @ w["nonlinear.2.weight"].T + w["nonlinear.2.bias"]
    found = codes(head.eval(), x)
    assert found.shape == (2, 3, 5, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_linear_layer_starts_like_a_convolution_of_one_pixel() -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(6, 4, 1)
    torch.manual_seed(0)
    linear = torch.nn.Linear(6, 4)
    assert torch.equal(conv.weight[:, :, 0, 0], linear.weight)
    assert torch.equal(conv.bias, linear.bias)


def test_a_new_head_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second = new_head(5, 3, 0.0, seed=1), new_head(5, 3, 0.0, seed=1)
    assert torch.equal(first.linear.weight, second.linear.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_whole_channels_of_an_item_are_dropped_and_the_rest_is_scaled() -> None:
    x = torch.ones(50, 3, 4, 20)
    found = drop_channels(x, 0.25, torch.Generator().manual_seed(0))
    per_channel = found.flatten(1, 2)
    assert torch.equal(per_channel.amin(1), per_channel.amax(1))
    assert sorted(set(found.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert abs((found == 0).float().mean() - 0.25) < 0.05
    assert drop_channels(x, 0, torch.Generator()) is x


def test_single_numbers_are_dropped_and_the_rest_is_scaled() -> None:
    x = torch.ones(50, 12, 20)
    found = drop_values(x, 0.25, torch.Generator().manual_seed(0))
    assert sorted(set(found.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert abs((found == 0).float().mean() - 0.25) < 0.02
    kept = (found > 0).float().mean((0, 1))  # of each channel: none is dropped whole
    assert kept.min() > 0.6
    assert kept.max() < 0.9
    assert drop_values(x, 0, torch.Generator()) is x
    head = new_head(20, 3, 0.25, seed=0, whole_channels=False).train()
    draw = torch.Generator().manual_seed(1)
    expected = head.join(*(drop_values(x, 0.25, draw) for _ in range(2)))
    torch.testing.assert_close(head(x, torch.Generator().manual_seed(1)), expected)


def test_the_two_parts_are_dropped_independently_in_training_alone() -> None:
    head = new_head(40, 3, 0.5, seed=0)
    x = torch.randn(2, 3, 3, 40, generator=torch.Generator().manual_seed(1))
    draw = torch.Generator().manual_seed(2)
    first, second = (drop_channels(x, 0.5, draw) for _ in range(2))
    head.train()
    torch.testing.assert_close(head(x, torch.Generator().manual_seed(2)), head.linear(first) + head.nonlinear(second))
    head.eval()
    torch.testing.assert_close(head(x, torch.Generator().manual_seed(2)), head.linear(x) + head.nonlinear(x))


def test_a_saved_head_is_the_same_head() -> None:
    head = new_head(7, 3, 0.1, seed=4)
    again = build_head(head.state_dict(), describe_head(head))
    x = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float16)
    np.testing.assert_array_equal(codes(head.eval(), x), codes(again, x))
    assert isinstance(again, Head)
    assert not again.training
    with pytest.raises(ValueError, match="not a head"):
        build_head({"mean": torch.zeros(7)}, describe_head(head))
    with pytest.raises(ValueError, match="not a head"):  # of 40 TB
        build_head(head.state_dict(), {"in_dim": 10**6, "dim": 10**7, "dropout": 0.1})
    with pytest.raises(ValueError, match="finite"):
        build_head(head.state_dict() | {"mean": torch.full((7,), torch.nan)}, describe_head(head))
    assert codes(head, np.zeros((0, 7), np.float16)).shape == (0, 3)


def test_a_heads_activation_is_saved_and_none_means_relu() -> None:
    silu, x = new_head(7, 3, 0.2, seed=4, activation="silu").eval(), torch.linspace(-3, 3, 63).view(9, 7)
    z = silu.nonlinear[0](x)
    torch.testing.assert_close(silu(x), silu.linear(x) + silu.nonlinear[2](z * torch.sigmoid(z)))
    said = describe_head(silu)
    assert said["activation"] == "silu"
    assert torch.equal(build_head(silu.state_dict(), said)(x), silu(x))
    assert describe_head(new_head(7, 3, 0.1, seed=4)) == {"in_dim": 7, "dim": 3, "dropout": 0.1}
    for wrong in ("tanh", None):
        with pytest.raises(ValueError, match="is none of relu, silu"):
            build_head(silu.state_dict(), {**said, "activation": wrong})


def test_a_nonlinear_part_of_zeros_is_left_out_and_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    head = linear_head(rng.normal(size=(4, 9)), rng.normal(size=9))
    x = torch.from_numpy(rng.normal(size=(5, 9)).astype(np.float32))
    assert head.plain
    assert torch.equal(head(x), head.join(x - head.mean, x - head.mean))
    with torch.no_grad():
        head.nonlinear[2].bias[1] = 1.0
    assert not head.plain
    torch.testing.assert_close(head(x), head.join(x - head.mean, x - head.mean), atol=0, rtol=0)


def test_passing_without_a_graph_gives_the_codes_and_the_gradients_of_autograd() -> None:
    head, rng = new_head(6, 4, 0.1, seed=0).double(), torch.Generator().manual_seed(0)
    first, second = (torch.randn(50, 6, generator=rng, dtype=torch.float64) for _ in range(2))
    by_codes = torch.randn(50, 4, generator=rng, dtype=torch.float64)
    expected = head.join(first, second)
    found, hidden = head.pass_rows(first, second)
    torch.testing.assert_close(found, expected.detach())
    slopes = torch.autograd.grad(expected, [*head.parameters()], by_codes)
    torch.testing.assert_close(head.pass_back(first, second, hidden, by_codes), slopes)
