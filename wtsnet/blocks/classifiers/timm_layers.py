"""What timm's models share, with its module names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.network import module
from wtsnet.ops import conv_bn, relu

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor


@module
def conv_norm_act(
    s: Scope,
    x: Tensor,
    out: int,
    k: int | tuple[int, int] = 1,
    stride: int = 1,
    *,
    padding: int | str = 0,
    eps: float = 1e-5,
    norm: str = "bn",
) -> Tensor:
    """A convolution `conv` and, called `norm`, a batch norm with a ReLU inside."""

    @module
    def norm_act(bn: Scope) -> Tensor:
        return relu(conv_bn(s / "conv", bn, x, out, k, stride, padding=padding, eps=eps))

    return norm_act(s / norm)
