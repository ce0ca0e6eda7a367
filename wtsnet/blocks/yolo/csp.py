"""Bottlenecks, and the cross-stage partial blocks (Wang et al. 2019) that YOLO architectures make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.blocks.yolo.convs import EPS, conv_block
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import batch_norm, cat, conv2d, silu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.blocks.yolo.lists import Architecture
    from wtsnet.network import Scope, Tensor

    Inner = Callable[[Scope, Tensor], Tensor]


@module
def bottleneck(
    s: Scope,
    x: Tensor,
    c: int,
    shortcut: bool = True,
    groups: int = 1,
    ks: Sequence[int | Sequence[int]] = (1, 3),
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """Two convolutions of kernels `ks`, to e·c channels and to c, with a shortcut where the channels allow it."""
    y = conv_block(s / "cv1", x, int(c * e), ks[0], act=act)
    y = conv_block(s / "cv2", y, c, ks[1], groups=groups, act=act)
    return x + y if shortcut and x.shape[1] == c else y


@module
def bottlenecks(
    s: Scope,
    x: Tensor,
    n: int,
    shortcut: bool,
    groups: int,
    ks: Sequence[int | Sequence[int]] = (1, 3),
    *,
    act: Activation = silu,
) -> Tensor:
    """`n` of them, one behind the other, of as many channels as `x` has."""
    for i in range(n):
        x = bottleneck(s / i, x, x.shape[1], shortcut, groups, ks, 1.0, act=act)
    return x


@block("Bottleneck", scaled=True)
def listed_bottleneck(
    s: Scope,
    x: Tensor,
    c: int,
    shortcut: bool = True,
    groups: int = 1,
    ks: Any = None,
    e: float = 0.5,
    *,
    act: Activation = silu,
    arch: Architecture,
) -> Tensor:
    """A bottleneck as a row of its own, of 3×3 convolutions; in the yolov5 package the first is 1×1."""
    if arch.yolov5 and ks is not None:  # e comes there, and no kernels
        ks, e = None, ks
    return bottleneck(s, x, c, shortcut, groups, ks or _own_kernels(arch), e, act=act)


def _own_kernels(arch: Architecture) -> tuple[int, int]:
    """Those of bottlenecks of which nothing is said."""
    return (1, 3) if arch.yolov5 else (3, 3)


@block("C1", scaled=True, deep=True)
def c1(s: Scope, x: Tensor, c: int, n: int = 1, *, act: Activation = silu) -> Tensor:
    """A 1×1 convolution and a shortcut around `n` 3×3 ones."""
    x = y = conv_block(s / "cv1", x, c, act=act)
    for i in range(n):
        y = conv_block(s / "m" / i, y, c, 3, act=act)
    return y.named(s / "m") + x


@block("C2", scaled=True, deep=True)
def c2(
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
    """One convolution, of whose channels one half goes through bottlenecks."""
    first, second = halves(s / "cv1", x, int(c * e), act)
    y = bottlenecks(s / "m", first, n, shortcut, groups, (3, 3), act=act)
    return conv_block(s / "cv2", cat((y, second), 1), c, act=act)


@block("C2f", scaled=True, deep=True)
def c2f(
    s: Scope,
    x: Tensor,
    c: int,
    n: int = 1,
    shortcut: bool = False,
    groups: int = 1,
    e: float = 0.5,
    *,
    act: Activation = silu,
) -> Tensor:
    """The same with the output of every bottleneck kept, as in YOLOv8."""

    def inner(s: Scope, y: Tensor) -> Tensor:
        return bottleneck(s, y, y.shape[1], shortcut, groups, (3, 3), 1.0, act=act)

    return c2f_around(s, x, c, n, e, inner, act=act)


def c2f_around(s: Scope, x: Tensor, c: int, n: int, e: float, inner: Inner, *, act: Activation) -> Tensor:
    """`n` times `inner(scope, y)` on one half of 2·e·c channels; both halves and all results are joined."""
    ys = list(halves(s / "cv1", x, int(c * e), act))
    for i in range(n):
        ys.append(inner(s / "m" / i, ys[-1]))
    return conv_block(s / "cv2", cat(ys, 1), c, act=act)


def halves(s: Scope, x: Tensor, width: int, act: Activation) -> tuple[Tensor, Tensor]:
    """A 1×1 convolution block to twice `width` channels, and each half of them."""
    y = conv_block(s, x, 2 * width, act=act)
    return y[:, :width], y[:, width:]


def c3_around(s: Scope, x: Tensor, c: int, e: float, inner: Inner, *, act: Activation) -> Tensor:
    """Three convolutions: `inner(scope, y)` lies behind the first, the second goes past it, the third joins them."""
    y = inner(s / "m", conv_block(s / "cv1", x, int(c * e), act=act))
    z = conv_block(s / "cv2", x, int(c * e), act=act)
    return conv_block(s / "cv3", cat((y, z), 1), c, act=act)


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
    """Cross-stage partial block with three convolutions."""
    return c3_around(s, x, c, e, lambda s, y: bottlenecks(s, y, n, shortcut, groups, act=act), act=act)


@block("C3x", scaled=True, deep=True)
def c3x(
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
    """The same with bottlenecks of a 1×3 and a 3×1 convolution."""
    ks = ((1, 3), (3, 1))
    return c3_around(s, x, c, e, lambda s, y: bottlenecks(s, y, n, shortcut, groups, ks, act=act), act=act)


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
    arch: Architecture,
) -> Tensor:
    """Cross-stage partial block as first published: two plain convolutions, one batch norm for both branches, and
    always SiLU behind it."""
    width = int(c * e)
    y = conv_block(s / "cv1", x, width, act=act)
    y = bottlenecks(s / "m", y, n, shortcut, groups, _own_kernels(arch), act=act)
    y = conv2d(s / "cv3", y, width, 1, bias=False)
    z = conv2d(s / "cv2", x, width, 1, bias=False)
    joined = batch_norm(s / "bn", cat((y, z), 1), EPS)
    return conv_block(s / "cv4", silu(joined), c, act=act)
