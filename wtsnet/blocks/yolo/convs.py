"""The blocks that YOLO architecture lists name, with their upstream weight names: convolutions and pooling pyramids.

Widths come first among the arguments, as in the lists; `x` tells the input channels. `act` is the architecture's
activation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wtsnet.definition import block
from wtsnet.ops import batch_norm, cat, conv_bn, conv_transpose2d, max_pool2d, prelu, silu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wtsnet.network import Scope, Tensor

    Activation = Callable[..., Tensor]

EPS = 1e-3  # of every batch norm in YOLOv5 to 13


@block("Conv", scaled=True)
def conv_block(
    s: Scope,
    x: Tensor,
    c: int,
    k: int | Sequence[int] = 1,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | None = None,
    groups: int = 1,
    dilation: int = 1,
    activate: bool = True,
    *,
    act: Activation = silu,
    eps: float = EPS,
) -> Tensor:
    """Convolution, batch norm, activation. `padding` None keeps the size at stride 1."""
    if padding is None:
        padding = [(dilation * (size - 1) + 1) // 2 for size in ((k, k) if isinstance(k, int) else k)]
    x = conv_bn(s / "conv", s / "bn", x, c, k, stride, padding=padding, dilation=dilation, groups=groups, eps=eps)
    return activated(s / "act", x, act) if activate else x


def activated(s: Scope, x: Tensor, act: Activation) -> Tensor:
    """`act` of x, as what module `s` gives; PReLU takes its slopes from there."""
    if getattr(act, "func", act) is prelu:
        return act(s, x)
    return act(x).named(s)


@block("DWConv", scaled=True)
def dw_conv(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 1,
    stride: int = 1,
    dilation: int = 1,
    activate: bool = True,
    *,
    act: Activation = silu,
) -> Tensor:
    """`conv_block` in as many groups as input and output channels allow: depthwise where they are equal."""
    groups = math.gcd(x.shape[1], c)
    return conv_block(s, x, c, k, stride, groups=groups, dilation=dilation, activate=activate, act=act)


@block("ConvTranspose", scaled=True)
def conv_transpose_block(
    s: Scope, x: Tensor, c: int, k: int = 2, stride: int = 2, padding: int = 0, bn: bool = True, activate: bool = True
) -> Tensor:
    """Transposed convolution, batch norm or a bias, and always SiLU."""
    x = conv_transpose2d(s / "conv_transpose", x, c, k, stride, padding=padding, bias=not bn)
    x = batch_norm(s / "bn", x, EPS) if bn else x
    return silu(x) if activate else x


@block("DWConvTranspose2d", scaled=True)
def dw_conv_transpose(
    s: Scope, x: Tensor, c: int, k: int = 1, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """`torch.nn.ConvTranspose2d` in as many groups as input and output channels allow."""
    groups = math.gcd(x.shape[1], c)
    return conv_transpose2d(s, x, c, k, stride, padding=padding, output_padding=output_padding, groups=groups)


@block("SPP", scaled=True)
def spp(s: Scope, x: Tensor, c: int, ks: Sequence[int] = (5, 9, 13), *, act: Activation = silu) -> Tensor:
    """Spatial pyramid pooling (He et al. 2014): maxima over windows of several sizes side by side."""
    x = conv_block(s / "cv1", x, x.shape[1] // 2, act=act)
    pooled = [max_pool2d(x, k, stride=1, padding=k // 2).named(s / "m" / i) for i, k in enumerate(ks)]
    return conv_block(s / "cv2", cat([x, *pooled], 1), c, act=act)


@block("SPPF", scaled=True)
def sppf(
    s: Scope, x: Tensor, c: int, k: int = 5, n: int | None = None, shortcut: bool = False, *, act: Activation = silu
) -> Tensor:
    """Spatial pyramid pooling by one pooling over and over: what SPP gives with k, 2k − 1, 3k − 2.

    Lists that say how often, `n`, are of YOLO26 and later, whose first convolution has no activation.
    """
    ys = [conv_block(s / "cv1", x, x.shape[1] // 2, activate=n is None, act=act)]
    for _ in range(3 if n is None else n):
        ys.append(max_pool2d(ys[-1], k, stride=1, padding=k // 2).named(s / "m"))
    y = conv_block(s / "cv2", cat(ys, 1), c, act=act)
    return x + y if shortcut and x.shape[1] == c else y


@block("Focus", scaled=True)
def focus(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 1,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    *,
    act: Activation = silu,
) -> Tensor:
    """Every second pixel in four shifts as channels, then a convolution: (N, C, H, W) to (N, c, H/2, W/2)."""
    rows = [x[:, :, i::2] for i in (0, 1)]
    shifts = [y[..., j::2] for j in (0, 1) for y in rows]
    return conv_block(s / "conv", cat(shifts, 1), c, k, stride, padding, groups, act=act)
