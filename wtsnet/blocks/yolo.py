"""The blocks that YOLO architecture lists name, with their upstream weight names.

Widths come first among the arguments, as in the lists; `x` tells the input channels. `act` is the architecture's
activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import batch_norm, concat, conv, conv_bn, cut, max_pool, silu, upsample
from wtsnet.registry import block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wtsnet.network import Scope, Tensor

    Activation = Callable[[Scope, Tensor], Tensor]

EPS = 1e-3  # of every batch norm in YOLOv5 to 13


@block("Conv", scaled=True)
def conv_block(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 1,
    stride: int = 1,
    pad: int | None = None,
    groups: int = 1,
    dilation: int = 1,
    activate: bool = True,
    *,
    act: Activation = silu,
) -> Tensor:
    """Convolution, batch norm, activation. `pad` None keeps the size at stride 1."""
    same = (dilation * (k - 1) + 1) // 2 if pad is None else pad
    x = conv_bn(s / "conv", s / "bn", x, c, k, stride, same, dilation, groups, eps=EPS)
    return act(s / "act", x) if activate else x


@block("Bottleneck", scaled=True)
def bottleneck(
    s: Scope, x: Tensor, c: int, shortcut: bool = True, groups: int = 1, e: float = 0.5, *, act: Activation = silu
) -> Tensor:
    """Two convolutions, 1×1 to e·c channels and 3×3 to c, with a shortcut where the channels allow it."""
    y = conv_block(s / "cv1", x, int(c * e), act=act)
    y = conv_block(s / "cv2", y, c, 3, groups=groups, act=act)
    return x + y if shortcut and x.shape[1] == c else y


@block("C3", scaled=True, deep=True)
def c3(
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
    """Cross-stage partial block with three convolutions (Wang et al. 2019)."""
    width = int(c * e)
    y = _bottlenecks(s / "m", conv_block(s / "cv1", x, width, act=act), width, n, shortcut, groups, act)
    z = conv_block(s / "cv2", x, width, act=act)
    return conv_block(s / "cv3", concat(s, [y, z], suffix="concat"), c, act=act)


@block("BottleneckCSP", scaled=True, deep=True)
def bottleneck_csp(
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
    """Cross-stage partial block as first published (Wang et al. 2019): two plain convolutions, one batch norm for
    both branches, and always SiLU behind it."""
    width = int(c * e)
    y = _bottlenecks(s / "m", conv_block(s / "cv1", x, width, act=act), width, n, shortcut, groups, act)
    y = conv(s / "cv3", y, width, 1, bias=False)
    z = conv(s / "cv2", x, width, 1, bias=False)
    joined = batch_norm(s / "bn", concat(s, [y, z], suffix="concat"), EPS)
    return conv_block(s / "cv4", silu(s / "act", joined), c, act=act)


@block("SPP", scaled=True)
def spp(s: Scope, x: Tensor, c: int, ks: Sequence[int] = (5, 9, 13), *, act: Activation = silu) -> Tensor:
    """Spatial pyramid pooling (He et al. 2014): maxima over windows of several sizes side by side."""
    x = conv_block(s / "cv1", x, x.shape[1] // 2, act=act)
    pooled = [max_pool(s / "m" / i, x, k, 1, k // 2) for i, k in enumerate(ks)]
    return conv_block(s / "cv2", concat(s, [x, *pooled], suffix="concat"), c, act=act)


@block("SPPF", scaled=True)
def sppf(s: Scope, x: Tensor, c: int, k: int = 5, *, act: Activation = silu) -> Tensor:
    """Spatial pyramid pooling by one pooling three times over: what SPP gives with k, 2k − 1, 3k − 2."""
    ys = [conv_block(s / "cv1", x, x.shape[1] // 2, act=act)]
    for _ in range(3):
        ys.append(max_pool(s / "m", ys[-1], k, 1, k // 2))
    return conv_block(s / "cv2", concat(s, ys, suffix="concat"), c, act=act)


@block("Focus", scaled=True)
def focus(
    s: Scope,
    x: Tensor,
    c: int,
    k: int = 1,
    stride: int = 1,
    pad: int | None = None,
    groups: int = 1,
    *,
    act: Activation = silu,
) -> Tensor:
    """Every second pixel in four shifts as channels, then a convolution: (N, C, H, W) to (N, c, H/2, W/2)."""
    rows = [cut(s, x, 2, i, None, 2, suffix=f"rows{i}") for i in (0, 1)]
    shifts = [cut(s, rows[i], 3, j, None, 2, suffix=f"shift{i}{j}") for j in (0, 1) for i in (0, 1)]
    return conv_block(s / "conv", concat(s, shifts, suffix="concat"), c, k, stride, pad, groups, act=act)


@block("Concat", many=True)
def concat_block(s: Scope, xs: Sequence[Tensor], dim: int = 1) -> Tensor:
    """Several layers' outputs side by side."""
    return concat(s, xs, dim)


@block("Upsample")
def upsample_block(
    s: Scope, x: Tensor, size: int | None = None, scale: float | None = None, mode: str = "nearest"
) -> Tensor:
    """`torch.nn.Upsample`, with its argument order."""
    return upsample(s, x, scale, size, mode)


@block("MaxPool2d")
def max_pool_block(s: Scope, x: Tensor, k: int, stride: int | None = None, pad: int = 0) -> Tensor:
    """`torch.nn.MaxPool2d`, with its argument order."""
    return max_pool(s, x, k, stride, pad)


def _bottlenecks(
    s: Scope, x: Tensor, c: int, n: int, shortcut: bool, groups: int, act: Callable[[Scope, Tensor], Tensor]
) -> Tensor:
    for i in range(n):
        x = bottleneck(s / i, x, c, shortcut, groups, 1.0, act=act)
    return s.net.record(s.path, x)
