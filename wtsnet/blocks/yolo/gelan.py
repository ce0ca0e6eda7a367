"""The blocks of YOLOv9 (Wang et al. 2024): GELAN stages, its downsampling, and the links of the second backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.blocks.yolo.convs import conv_block
from wtsnet.blocks.yolo.csp import c3_around, halves
from wtsnet.blocks.yolo.rep import rep_conv
from wtsnet.definition import block
from wtsnet.network import module
from wtsnet.ops import avg_pool2d, cat, conv2d, interpolate, max_pool2d, silu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.blocks.yolo.convs import Activation
    from wtsnet.network import Scope, Tensor


@block("RepNCSPELAN4", scaled=True)
def rep_ncsp_elan(s: Scope, x: Tensor, c: int, width: int, inner: int, n: int = 1, *, act: Activation = silu) -> Tensor:
    """Two stages in a row on one half of `width` channels, each a CSP block to `inner` channels and a 3×3
    convolution; both halves and both results are joined."""
    ys = list(halves(s / "cv1", x, width // 2, act))
    for name in ("cv2", "cv3"):
        stage = s / name
        y = _rep_csp(stage / 0, ys[-1], inner, n, act)
        ys.append(conv_block(stage / 1, y, inner, 3, act=act).named(stage))
    return conv_block(s / "cv4", cat(ys, 1), c, act=act)


@block("ELAN1", scaled=True)
def elan(s: Scope, x: Tensor, c: int, width: int, inner: int, *, act: Activation = silu) -> Tensor:
    """The same with one 3×3 convolution a stage."""
    ys = list(halves(s / "cv1", x, width // 2, act))
    for name in ("cv2", "cv3"):
        ys.append(conv_block(s / name, ys[-1], inner, 3, act=act))
    return conv_block(s / "cv4", cat(ys, 1), c, act=act)


@block("SPPELAN", scaled=True)
def spp_elan(s: Scope, x: Tensor, c: int, width: int, k: int = 5, *, act: Activation = silu) -> Tensor:
    """`width` channels and one pooling three times over them, all joined."""
    ys = [conv_block(s / "cv1", x, width, act=act)]
    for _ in range(3):
        ys.append(max_pool2d(ys[-1], k, stride=1, padding=k // 2))
    return conv_block(s / "cv5", cat(ys, 1), c, act=act)


@block("AConv", scaled=True)
def average_conv(s: Scope, x: Tensor, c: int, *, act: Activation = silu) -> Tensor:
    """The mean of 2×2 pixels, and a 3×3 convolution of stride 2."""
    return conv_block(s / "cv1", avg_pool2d(x, 2, stride=1), c, 3, 2, act=act)


@block("ADown", scaled=True)
def average_down(s: Scope, x: Tensor, c: int, *, act: Activation = silu) -> Tensor:
    """The mean of 2×2 pixels; then one half of the channels to a 3×3 convolution of stride 2, the other to a maximum
    of stride 2 and a 1×1 convolution."""
    a, b = avg_pool2d(x, 2, stride=1).chunk(2, 1)
    a = conv_block(s / "cv1", a, c // 2, 3, 2, act=act)
    b = conv_block(s / "cv2", max_pool2d(b, 3, stride=2, padding=1), c // 2, act=act)
    return cat((a, b), 1)


@block("CBLinear")
def cb_linear(
    s: Scope, x: Tensor, widths: Sequence[int], k: int = 1, stride: int = 1, padding: int | None = None, groups: int = 1
) -> tuple[Tensor, ...]:
    """One convolution whose channels are dealt out: one tensor of each of `widths`."""
    padding = k // 2 if padding is None else padding
    return conv2d(s / "conv", x, sum(widths), k, stride, padding=padding, groups=groups).split(widths, 1)


@block("CBFuse", many=True)
def cb_fuse(s: Scope, xs: Sequence[Any], picks: Sequence[int]) -> Tensor:
    """The last input, plus of each other, which is a CBLinear, the tensor that `picks` tells, enlarged to its size."""
    links: Sequence[Sequence[Tensor]] = xs[:-1]
    y: Tensor = xs[-1]
    for link, pick in zip(links, picks, strict=True):
        y = interpolate(link[pick], y.dims[2:]) + y
    return y


@module
def _rep_csp(s: Scope, x: Tensor, c: int, n: int, act: Activation) -> Tensor:
    """A cross-stage partial block with re-parametrised bottlenecks."""

    def inner(s: Scope, y: Tensor) -> Tensor:
        for i in range(n):
            z = rep_conv(s / i / "cv1", y, y.shape[1])
            y = (y + conv_block(s / i / "cv2", z, y.shape[1], 3, act=act)).named(s / i)
        return y.named(s)

    return c3_around(s, x, c, 0.5, inner, act=act)
