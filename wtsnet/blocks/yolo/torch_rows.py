"""What architecture lists name of PyTorch itself (`nn.Upsample` …), with PyTorch's argument order, and Concat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.definition import block
from wtsnet.ops import (
    ACTIVATIONS,
    avg_pool,
    batch_norm,
    concat,
    conv_transpose,
    identity,
    max_pool,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor

for _name, _op in ACTIVATIONS.items():
    block(_name)(_op)
block("Dropout")(lambda s, x, p=0.5: identity(s, x))
block("Dropout2d")(lambda s, x, p=0.5: identity(s, x))
block("PixelShuffle")(pixel_shuffle)
block("PixelUnshuffle")(pixel_unshuffle)


@block("Concat", many=True)
def concat_block(s: Scope, xs: Sequence[Tensor], dim: int = 1) -> Tensor:
    """Several layers' outputs side by side."""
    return concat(s, xs, dim)


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
    return upsample(s, x, scale, size, mode, bool(align_corners))


@block("MaxPool2d")
def max_pool_block(s: Scope, x: Tensor, k: int, stride: int | None = None, pad: int = 0) -> Tensor:
    """`torch.nn.MaxPool2d`."""
    return max_pool(s, x, k, stride, pad)


@block("AvgPool2d")
def avg_pool_block(
    s: Scope,
    x: Tensor,
    k: int,
    stride: int | None = None,
    pad: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`torch.nn.AvgPool2d`."""
    return avg_pool(s, x, k, stride, pad, ceil_mode, count_include_pad)


@block("ZeroPad2d")
def zero_pad(s: Scope, x: Tensor, widths: int | Sequence[int]) -> Tensor:
    """`torch.nn.ZeroPad2d`: a width for all sides, or left, right, top, bottom."""
    return pad(s, x, (widths,) * 4 if isinstance(widths, int) else widths)


@block("BatchNorm2d")
def batch_norm_block(s: Scope, x: Tensor, channels: int = 0) -> Tensor:
    """`torch.nn.BatchNorm2d`; upstream puts the channels in place of what the lists say."""
    return batch_norm(s, x, 1e-3)


@block("ConvTranspose2d", scaled=True)
def conv_transpose_row(
    s: Scope,
    x: Tensor,
    c: int,
    k: int,
    stride: int = 1,
    pad: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: int = 1,
) -> Tensor:
    """`torch.nn.ConvTranspose2d`, of a scaled width."""
    return conv_transpose(s, x, c, k, stride, pad, output_padding, dilation, groups, bias)
