"""What mobile networks are made of, with torchvision's weight names: convolution, norm and activation in a row,
squeeze and excitation, and the inverted residual."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from wtsnet.network import module
from wtsnet.ops import conv2d, conv_bn, relu, sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable

    from wtsnet.network import Scope, Tensor

    Activation = Callable[[Tensor], Tensor]
    Gate = Callable[[Scope, Tensor], Tensor]


@module
def conv_norm_act(
    s: Scope,
    x: Tensor,
    out: int,
    k: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    act: Activation | None = relu,
    eps: float = 1e-5,
) -> Tensor:
    """A Sequential of convolution `0`, batch norm `1` and, where there is one, an activation. Odd `k` keep the size at
    stride 1."""
    x = conv_bn(s / 0, s / 1, x, out, k, stride, padding=k // 2, groups=groups, eps=eps)
    return act(x) if act else x


@module
def squeeze_excitation(
    s: Scope,
    x: Tensor,
    *,
    act: Activation = relu,
    gate: Activation = sigmoid,
    reduce: str = "fc1",
    expand: str = "fc2",
) -> Tensor:
    """Every channel times a gate that all means decide on (Hu et al. 2017): x·gate(expand(act(reduce(mean(x))))).

    Args:
        reduce, expand: names of the 1×1 convolution to fewer channels (its weight tells how many), and of that back.
    """
    y = act(conv2d(s / reduce, x.mean((2, 3), keepdim=True), -1, 1))
    return x * gate(conv2d(s / expand, y, x.shape[1], 1))


@module
def inverted_residual(
    s: Scope,
    x: Tensor,
    wide: int,
    out: int,
    k: int,
    stride: int,
    *,
    act: Activation,
    squeeze: Gate | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Sandler et al. 2018: 1×1 to `wide` channels (left out where x has as many), k×k on each channel, a gate
    `squeeze(scope, x)` where there is one (Tan et al. 2018), 1×1 to `out` channels. These are the steps of the
    Sequential `block`; x is added where size and channels stay.
    """
    block, y = s / "block", x
    step = (block / i for i in count())
    if wide != x.shape[1]:
        y = conv_norm_act(next(step), y, wide, 1, act=act, eps=eps)
    y = conv_norm_act(next(step), y, wide, k, stride, groups=wide, act=act, eps=eps)
    if squeeze:
        y = squeeze(next(step), y)
    y = conv_norm_act(next(step), y, out, 1, act=None, eps=eps).named(block)
    return x + y if stride == 1 and x.shape[1] == out else y
