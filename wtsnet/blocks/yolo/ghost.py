"""Ghost convolutions (Han et al. 2020): half of the channels are made of the other half, cheaply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block, dw_conv
from wtsnet.blocks.yolo.csp import c3_around
from wtsnet.definition import block
from wtsnet.ops import cat, silu

if TYPE_CHECKING:
    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("GhostConv", scaled=True)
def ghost_conv(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 1,
    stride: int = 1,
    groups: int = 1,
    activate: bool = True,
    *,
    act: Activation = silu,
) -> Tensor:
    """A convolution to half of the channels, and a depthwise 5×5 one of it for the others."""
    y = conv_block(s / "cv1", x, c // 2, k, stride, None, groups, activate=activate, act=act)
    z = conv_block(s / "cv2", y, c // 2, 5, 1, None, c // 2, activate=activate, act=act)
    return cat((y, z), 1)


@block("GhostBottleneck", scaled=True)
def ghost_bottleneck(s: Scope, x: Tensor, c: int, k: int = 3, stride: int = 1, *, act: Activation = silu) -> Tensor:
    """Two ghost convolutions, where the stride is 2 with a depthwise one between them, and a shortcut."""
    conv, past = s / "conv", s / "shortcut"
    y = ghost_conv(conv / 0, x, c // 2, act=act)
    if stride == 2:
        y = dw_conv(conv / 1, y, c // 2, k, stride, activate=False)
        x = dw_conv(past / 0, x, x.shape[1], k, stride, activate=False)
        x = conv_block(past / 1, x, c, activate=False).named(past)
    return ghost_conv(conv / 2, y, c, activate=False).named(conv) + x


@block("C3Ghost", scaled=True, deep=True)
def c3_ghost(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    shortcut: bool = True,
    groups: int = 1,
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """C3 with ghost bottlenecks. They always have their shortcut and one group: upstream takes these two and leaves
    them unused."""

    def inner(s: Scope, y: Tensor) -> Tensor:
        for i in range(n):
            y = ghost_bottleneck(s / i, y, y.shape[1], act=act)
        return y.named(s)

    return c3_around(s, x, c, e, inner, act=act)
