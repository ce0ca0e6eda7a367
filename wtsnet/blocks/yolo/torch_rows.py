"""What architecture lists name of PyTorch itself (`nn.Upsample` …), with PyTorch's argument order, and Concat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wtsnet.blocks.yolo.convs import EPS
from wtsnet.definition import block
from wtsnet.ops import (
    ACTIVATIONS,
    avg_pool2d,
    batch_norm,
    cat,
    conv_transpose2d,
    gelu,
    interpolate,
    max_pool2d,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    softmax,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wtsnet.network import Scope, Tensor


def _row(name: str, op: Callable[..., Tensor]) -> None:
    """A row that is an op without weights, whose arguments are in the order of its module's, less `inplace`."""

    @block(name)
    def row(s: Scope, x: Tensor, *args: Any) -> Tensor:
        return op(x, *(arg for arg in args if not isinstance(arg, bool)))


for _name, _op in ACTIVATIONS.items():
    if _op not in (gelu, prelu):
        _row(_name, _op)
_row("Softmax", softmax)
_row("PixelShuffle", pixel_shuffle)
_row("PixelUnshuffle", pixel_unshuffle)
block("PReLU")(prelu)
block("Dropout")(lambda s, x, p=0.5, inplace=False: x)
block("Dropout2d")(lambda s, x, p=0.5, inplace=False: x)


@block("GELU")
def gelu_block(s: Scope, x: Tensor, approximate: str = "none") -> Tensor:
    """`torch.nn.GELU`."""
    return gelu(x, approximate=approximate)


@block("Concat", many=True)
def concat_block(s: Scope, xs: Sequence[Tensor], dim: int = 1) -> Tensor:
    """Several layers' outputs side by side."""
    return cat(xs, dim)


@block("Upsample")
def upsample_block(
    s: Scope,
    x: Tensor,
    size: int | None = None,
    scale: float | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`torch.nn.Upsample`."""
    return interpolate(x, size, scale, mode, align_corners=align_corners)


@block("MaxPool2d")
def max_pool_block(s: Scope, x: Tensor, k: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """`torch.nn.MaxPool2d`."""
    return max_pool2d(x, k, stride, padding)


@block("AvgPool2d")
def avg_pool_block(
    s: Scope,
    x: Tensor,
    k: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`torch.nn.AvgPool2d`."""
    return avg_pool2d(x, k, stride, padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad)


@block("ZeroPad2d")
def zero_pad(s: Scope, x: Tensor, widths: int | Sequence[int]) -> Tensor:
    """`torch.nn.ZeroPad2d`: a width for all sides, or left, right, top, bottom."""
    return pad(x, (widths,) * 4 if isinstance(widths, int) else widths)


@block("BatchNorm2d")
def batch_norm_block(s: Scope, x: Tensor, channels: int = 0) -> Tensor:
    """`torch.nn.BatchNorm2d`; upstream puts the channels in place of what the lists say."""
    return batch_norm(s, x, EPS)


@block("ConvTranspose2d", scaled=True)
def conv_transpose_row(
    s: Scope,
    x: Tensor,
    c: int,
    k: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: int = 1,
) -> Tensor:
    """`torch.nn.ConvTranspose2d`, of a scaled width."""
    return conv_transpose2d(
        s,
        x,
        c,
        k,
        stride,
        padding=padding,
        output_padding=output_padding,
        groups=groups,
        bias=bias,
        dilation=dilation,
    )
