"""The segmentation head: patch features to short codes (STEGO, Hamilton et al., ICLR 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Activation = Literal["relu", "silu"]

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}
_TOKENS = 1 << 15  # tokens that pass the head at once in `codes`


def kept_channels(items: int, dim: int, rate: float, generator: torch.Generator) -> Tensor:
    """What whole channels of each item are multiplied by in training (torch's Dropout2d), from one's own generator.

    Args:
        items: B.
        dim: C.
        rate: probability of a channel to become zero; the others are divided by 1 - rate. With 0 nothing is drawn.
        generator: on the CPU, so that every device draws the same.

    Returns:
        (B, C) float32 on the CPU.
    """
    if rate == 0:
        return torch.ones(items, dim)
    return (torch.rand((items, dim), generator=generator) >= rate).float() / (1 - rate)


def drop_channels(tokens: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Tokens (B, ..., C) multiplied by `kept_channels`."""
    if rate == 0:
        return tokens
    kept = kept_channels(len(tokens), tokens.shape[-1], rate, generator).to(tokens)
    return tokens * kept.view(len(tokens), *[1] * (tokens.ndim - 2), tokens.shape[-1])


def drop_values(tokens: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Tokens of any shape, each number dropped for itself (torch's Dropout), drawn on the CPU from one's own generator.

    Args:
        tokens: float32.
        rate: probability of a number to become zero; the others are divided by 1 - rate. With 0 nothing is drawn.
        generator: on the CPU.
    """
    if rate == 0:
        return tokens
    return tokens * ((torch.rand(tokens.shape, generator=generator) >= rate).float() / (1 - rate)).to(tokens)


class Head(nn.Module):
    """code(f) = linear(drop(f - mean)) + nonlinear(drop(f - mean)), the two dropouts independent.

    STEGO's 1 x 1 convolutions are written as linear layers on (..., in_dim): the same function, and torch gives both
    the same initial distribution. The nonlinear part has one hidden layer, with ReLU (STEGO, CAUSE, hidden positives)
    or SiLU (SmooSeg).
    """

    mean: Tensor

    def __init__(
        self, in_dim: int, dim: int, dropout: float, *, activation: Activation = "relu", whole_channels: bool = True
    ) -> None:
        super().__init__()
        self.in_dim, self.dim, self.dropout, self.activation = in_dim, dim, dropout, activation
        self.drop = drop_channels if whole_channels else drop_values
        self.linear = nn.Linear(in_dim, dim)
        self.nonlinear = nn.Sequential(nn.Linear(in_dim, in_dim), _ACTIVATIONS[activation](), nn.Linear(in_dim, dim))
        self.register_buffer("mean", torch.zeros(in_dim))

    def forward(self, tokens: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Tokens (..., in_dim) to codes (..., dim).

        Args:
            tokens: float32; in training (B, ..., in_dim), whole channels are dropped per item of the first axis.
            generator: draws the dropout in training; without one nothing is dropped.
        """
        centered = tokens - self.mean
        if not self.training or generator is None:
            return self.linear(centered) if self.plain else self.join(centered, centered)
        return self.join(*(self.drop(centered, self.dropout, generator) for _ in range(2)))

    @property
    def plain(self) -> bool:
        """Whether the nonlinear part gives zeros, as that of `linear_head`: most of the work is left out then."""
        return not any(bool(parameter.any()) for parameter in self.nonlinear[2].parameters())

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Codes (..., dim) of tokens (..., in_dim) without their mean, dropped for each of the two parts."""
        return self.linear(first) + self.nonlinear(second)  # type: ignore[no-any-return]

    @torch.no_grad()
    def pass_rows(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (T, dim) of tokens (T, in_dim) as `join` makes them, and the hidden layer (T, in_dim), no graph.

        Of a head with ReLU alone.
        """
        plain, plain_bias, inner, inner_bias, outer, outer_bias = self.parameters()
        hidden = torch.addmm(inner_bias, second, inner.T).relu_()
        return torch.addmm(outer_bias + plain_bias, hidden, outer.T).addmm_(first, plain.T), hidden

    @torch.no_grad()
    def pass_back(self, first: Tensor, second: Tensor, hidden: Tensor, by_codes: Tensor) -> tuple[Tensor, ...]:
        """What `pass_rows` did turned round: gradients by `parameters()`, in their order, from that by codes."""
        *_, outer, _ = self.parameters()
        by_hidden, bias = torch.ops.aten.threshold_backward(by_codes @ outer, hidden, 0), by_codes.sum(0)
        return by_codes.T @ first, bias, by_hidden.T @ second, by_hidden.sum(0), by_codes.T @ hidden, bias


def new_head(
    in_dim: int,
    dim: int,
    dropout: float,
    *,
    seed: int,
    activation: Activation = "relu",
    whole_channels: bool = True,
) -> Head:
    """A head with torch's default initial weights, drawn from `seed` without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(in_dim, dim, dropout, activation=activation, whole_channels=whole_channels)


def linear_head(directions: npt.NDArray[np.floating], mean: npt.NDArray[np.floating]) -> Head:
    """A head without training: code(f) = directions @ (f - mean); its nonlinear part is zero.

    Args:
        directions: (dim, in_dim).
        mean: (in_dim,).
    """
    dim, in_dim = directions.shape
    head = new_head(in_dim, dim, 0.0, seed=0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.linear.weight.copy_(torch.from_numpy(np.asarray(directions, np.float32)))
        head.mean.copy_(torch.from_numpy(np.asarray(mean, np.float32)))
    return head.eval()


def describe_head(head: Head) -> dict[str, Any]:
    """What `build_head` needs to know besides the tensors; heads of earlier versions say no activation, it is ReLU."""
    said = {"in_dim": head.in_dim, "dim": head.dim, "dropout": head.dropout}
    return said if head.activation == "relu" else {**said, "activation": head.activation}


def build_head(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Head:
    """A head from its saved tensors (`Head.state_dict`) and `describe_head`, in eval mode on the CPU.

    Raises:
        KeyError: what is known of the tensors is missing.
        ValueError: tensors are missing, surplus, of another shape, or not finite, or the activation is none of ours.
    """
    in_dim, dim, activation = int(meta["in_dim"]), int(meta["dim"]), meta.get("activation", "relu")
    if activation not in _ACTIVATIONS:
        raise ValueError(f"activation {activation!r:.40} is none of {', '.join(_ACTIVATIONS)}")
    weight = tensors.get("linear.weight")
    if weight is None or tuple(weight.shape) != (dim, in_dim):  # before that much is allocated
        raise ValueError(f"these tensors are not a head of {dict(meta)}")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ValueError("not all numbers of the head are finite; if training diverged, a smaller train.lr helps")
    head = new_head(in_dim, dim, float(meta["dropout"]), seed=0, activation=activation)
    try:
        head.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ValueError(f"these tensors are not a head of {dict(meta)}: {error}") from error
    return head.eval()


@torch.inference_mode()
def codes(head: Head, patches: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Codes (..., dim) float32 of patch features (..., in_dim), on the head's device, some thousands at a time."""
    tokens = patches.reshape(-1, patches.shape[-1])
    out = np.empty((len(tokens), head.dim), np.float32)
    for start in range(0, len(tokens), _TOKENS):
        part = np.array(tokens[start : start + _TOKENS], np.float32)
        out[start : start + _TOKENS] = head(torch.from_numpy(part).to(head.mean.device)).cpu().numpy()
    return out.reshape(*patches.shape[:-1], head.dim)


def pack_state(head: Head, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that the next step depends on, besides its number."""
    tensors = {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": tensor for name, tensor in state.items()}
    return tensors


def unpack_state(tensors: dict[str, Tensor], head: Head, optimizer: torch.optim.Optimizer) -> None:
    """Put back what `pack_state` took."""
    head.load_state_dict({name[5:]: tensor for name, tensor in tensors.items() if name.startswith("head.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, i, key = name.split(".")
            state.setdefault(int(i), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
