"""The backbone of RT-DETR (Zhao et al. 2023): PP-HGNetV2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.blocks.yolo.convs import conv_block, dw_conv
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import cat, max_pool2d, pad, relu

if TYPE_CHECKING:
    from wtsnet.network import Scope, Tensor

BEHIND = (0, 1, 0, 1)  # one row and one column, behind the last


@block("HGStem")
def hg_stem(s: Scope, x: Tensor, width: int, c: int) -> Tensor:
    """A quarter of the size: two 2×2 convolutions beside a maximum, between convolutions of stride 2."""
    x = conv_block(s / "stem1", x, width, 3, 2, act=relu)
    x = pad(x, BEHIND)
    y = conv_block(s / "stem2a", x, width // 2, 2, padding=0, act=relu)
    y = conv_block(s / "stem2b", pad(y, BEHIND), width, 2, padding=0, act=relu)
    x = cat((max_pool2d(x, 2, stride=1, ceil_mode=True), y), 1)
    x = conv_block(s / "stem3", x, width, 3, 2, act=relu)
    return conv_block(s / "stem4", x, c, act=relu)


@block("HGBlock", deep=3)
def hg_block(
    s: Scope, x: Tensor, width: int, c: int, k: int = 3, n: int = 6, light: bool = False, shortcut: bool = False
) -> Tensor:
    """`n` convolutions to `width` channels in a row; the input and all results are joined, squeezed and excited."""
    ys = [x]
    for i in range(n):
        at = s / "m" / i
        ys.append(light_conv(at, ys[-1], width, k) if light else conv_block(at, ys[-1], width, k, act=relu))
    y = conv_block(s / "sc", cat(ys, 1), c // 2, act=relu)
    y = conv_block(s / "ec", y, c, act=relu)
    return x + y if shortcut and x.shape[1] == c else y


@module
def light_conv(s: Scope, x: Tensor, c: int, k: int = 1) -> Tensor:
    """A 1×1 convolution without activation, and a depthwise one with ReLU."""
    y = conv_block(s / "conv1", x, c, activate=False)
    return dw_conv(s / "conv2", y, c, k, act=relu)
