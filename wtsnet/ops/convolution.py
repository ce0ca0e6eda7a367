"""Convolutions over 1, 2 or 3 spatial dimensions, with the batch norm that follows folded in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wtsnet.network import module, op
from wtsnet.network.shape import squeeze, to, unsqueeze
from wtsnet.ops.normalization import affine_of_batch_norm, batch_norm
from wtsnet.ops.padding import MODES, pad_with
from wtsnet.ops.weights import weight_of
from wtsnet.ops.windows import spatial, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


@op("torch.nn.Conv1d")
def conv1d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: str = "zeros",
) -> Tensor:
    """A convolution over (N, C, L); see `conv2d`."""
    return _conv(s, 1, input, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


@op("torch.nn.Conv2d")
def conv2d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: str = "zeros",
) -> Tensor:
    """A convolution over (N, C, H, W), to (N, out_channels, …).

    Args:
        out_channels: -1 for as many as the weight has.
        padding: on both sides of a dimension; "same" keeps the sizes at stride 1, "valid" pads nothing.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
    """
    return _conv(s, 2, input, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


@op("torch.nn.Conv3d")
def conv3d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    padding_mode: str = "zeros",
) -> Tensor:
    """A convolution over (N, C, D, H, W); see `conv2d`."""
    return _conv(s, 3, input, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


def _conv(
    s: Scope,
    rank: int,
    x: Tensor,
    out: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
    bias: bool,
    padding_mode: str,
) -> Tensor:
    spatial(x, rank)
    kernel = kernel_of(s, x, out, kernel_size, groups)
    offset = s.take("bias", kernel.shape[0]) if bias else None
    return _convolved(x, kernel, offset, stride, padding, dilation, groups, padding_mode)


@op(creates=True)
def conv_bn(
    s: Scope,
    bn: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = False,
    padding_mode: str = "zeros",
    eps: float = 1e-5,
) -> Tensor:
    """A convolution `s` and the batch norm `bn` behind it, as one layer named after the batch norm.

    It goes over 1, 2 or 3 spatial dimensions. With running mean m, variance v, weight g and bias b,
    y = (conv(x) − m)·g/√(v+eps) + b (Ioffe & Szegedy 2015, eq. 2), so the kernel is multiplied by g/√(v+eps) and the
    bias follows. This is done in float64. With `Network.fold_bn` off, the two stay apart. `eps` counts where no
    manifest tells the module's own.
    """
    rest: dict[str, Any] = {"padding": padding, "dilation": dilation, "groups": groups, "padding_mode": padding_mode}
    if not s.net.fold_bn:
        conv = (conv1d, conv2d, conv3d)[spatial(input) - 1]
        return batch_norm(bn, conv(s, input, out_channels, kernel_size, stride, bias=bias, **rest), eps)
    scale, shift = affine_of_batch_norm(bn, out_channels, eps)
    kernel = kernel_of(s, input, len(scale), kernel_size, groups)
    offset = s.take("bias", kernel.shape[0]).astype(np.float64) if bias else 0.0
    folded = kernel * scale.reshape(-1, *(1,) * (kernel.ndim - 1))
    return convolution_as(bn, input, folded, offset * scale + shift, stride, **rest)


@module
def convolution_as(
    s: Scope,
    x: Tensor,
    kernel: NDArray[np.floating],
    bias: NDArray[np.floating] | None,
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Tensor:
    """A convolution with a given kernel (out, C / groups, k …) and bias (out,) or None, as what module `s` gives: that
    of a module that several were folded into."""
    return _convolved(x, kernel, bias, stride, padding, dilation, groups, padding_mode)


def _convolved(
    x: Tensor,
    kernel: NDArray[np.floating],
    bias: NDArray[np.floating] | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
    padding_mode: str,
) -> Tensor:
    rank = spatial(x)
    strides, dilations = spread(x, "stride", stride, rank), spread(x, "dilation", dilation, rank)
    before, after = _padding(x, padding, kernel.shape[2:], strides, dilations)
    if padding_mode != "zeros":
        if padding_mode not in MODES or padding_mode == "constant":
            known = ", ".join(mode for mode in MODES if mode != "constant")
            raise x.error(f"padding_mode: found {padding_mode!r}, expected one of zeros, {known}")
        x = pad_with(x, [(0, 0), (0, 0), *zip(before, after, strict=True)], padding_mode)
        before = after = (0,) * rank
    if rank == 1:  # TensorRT convolves over two or three dimensions
        kernel, x = kernel[..., None], unsqueeze(x, 3)
        strides, dilations, before, after = (*strides, 1), (*dilations, 1), (*before, 0), (*after, 0)
    y = x.net.emit(
        "add_convolution_nd",
        x,
        kernel.shape[0],
        kernel.shape[2:],
        x.net.convert(kernel, x.dtype),
        None if bias is None else x.net.convert(bias, x.dtype),
        stride_nd=strides,
        dilation_nd=dilations,
        num_groups=groups,
        pre_padding=before,
        post_padding=after,
    )
    return squeeze(y, 3) if rank == 1 else y


def _padding(
    x: Tensor,
    padding: int | Sequence[int] | str,
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and after, for each spatial dimension."""
    if not isinstance(padding, str):
        both = spread(x, "padding", padding, len(sizes), least=0)
        return both, both
    if padding not in ("same", "valid"):
        raise x.error(f"padding: found {padding!r}, expected numbers, 'same' or 'valid'")
    if padding == "same" and max(strides) > 1:
        raise x.error(f"padding: found 'same' with stride {tuple(strides)}, expected stride 1, as torch does")
    total = [d * (k - 1) if padding == "same" else 0 for k, d in zip(sizes, dilations, strict=True)]
    return tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)


@op("torch.nn.ConvTranspose1d")
def conv_transpose1d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """A transposed convolution over (N, C, L); see `conv_transpose2d`."""
    return _transposed(s, 1, input, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation)


@op("torch.nn.ConvTranspose2d")
def conv_transpose2d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """A transposed convolution over (N, C, H, W), to (N, out_channels, …).

    `weight` is (C, out_channels / groups, k …); `out_channels` -1 stands for as many as it has. The output's size is
    (n − 1)·stride − 2·padding + dilation·(k − 1) + output_padding + 1. In bfloat16 it is computed in float32.
    """
    return _transposed(s, 2, input, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation)


@op("torch.nn.ConvTranspose3d")
def conv_transpose3d(
    s: Scope,
    input: Tensor,
    out_channels: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    bias: bool = True,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """A transposed convolution over (N, C, D, H, W); see `conv_transpose2d`."""
    return _transposed(s, 3, input, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation)


def _transposed(
    s: Scope,
    rank: int,
    x: Tensor,
    out: int,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    output_padding: int | Sequence[int],
    groups: int,
    bias: bool,
    dilation: int | Sequence[int],
) -> Tensor:
    spatial(x, rank)
    own = x.dtype
    if own == "bfloat16":  # of which TensorRT for RTX 1.7 builds no deconvolution
        x = to(x, "float32")
    sizes, strides = spread(x, "kernel_size", kernel_size, rank), spread(x, "stride", stride, rank)
    dilations = spread(x, "dilation", dilation, rank)
    before = spread(x, "padding", padding, rank, least=0)
    extra = spread(x, "output_padding", output_padding, rank, least=0)
    check_groups(x, groups, x.shape[1], out)
    if any(e >= max(step, d) for e, step, d in zip(extra, strides, dilations, strict=True)):
        raise x.error(f"output_padding: found {output_padding}, expected less than stride or dilation")
    kernel = weight_of(s, x.shape[1], -1 if out == -1 else out // groups, *sizes)
    offset = s.take("bias", kernel.shape[1] * groups) if bias else None
    if max(strides) > 1 and max(dilations) > 1:  # TensorRT has not both at once: zeros between the kernel's values
        kernel, dilations = _spread_kernel(kernel, dilations), (1,) * rank
    return to(_deconvolved(x, kernel, offset, strides, dilations, groups, before, extra), own)


def _spread_kernel(kernel: NDArray[np.floating], dilations: tuple[int, ...]) -> NDArray[np.floating]:
    sizes = [d * (k - 1) + 1 for k, d in zip(kernel.shape[2:], dilations, strict=True)]
    wide = np.zeros((*kernel.shape[:2], *sizes), kernel.dtype)
    places: tuple[Any, ...] = (..., *(slice(None, None, d) for d in dilations))
    wide[places] = kernel
    return wide


def _deconvolved(
    x: Tensor,
    kernel: NDArray[np.floating],
    bias: NDArray[np.floating] | None,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    groups: int,
    before: tuple[int, ...],
    extra: tuple[int, ...],
) -> Tensor:
    rank, out = spatial(x), kernel.shape[1] * groups
    if rank == 1:
        kernel, x = kernel[..., None], unsqueeze(x, 3)
        strides, dilations = (*strides, 1), (*dilations, 1)
        before, extra = (*before, 0), (*extra, 0)
    after = tuple(b - e for b, e in zip(before, extra, strict=True))
    beyond = tuple(max(-a, 0) for a in after)  # rows behind all that the kernel reaches: they hold the bias alone
    y = x.net.emit(
        "add_deconvolution_nd",
        x,
        out,
        kernel.shape[2:],
        x.net.convert(kernel, x.dtype),
        None if bias is None or any(beyond) else x.net.convert(bias, x.dtype),
        stride_nd=strides,
        dilation_nd=dilations,
        num_groups=groups,
        pre_padding=before,
        post_padding=tuple(max(a, 0) for a in after),
    )
    if any(beyond):
        y = pad_with(y, [(0, 0), (0, 0), *((0, b) for b in beyond)])
        if bias is not None:
            y = y + x.net.constant(bias.reshape(1, -1, *(1,) * (y.rank - 2)), x.dtype, label="bias")
    return squeeze(y, 3) if rank == 1 else y


def kernel_of(s: Scope, x: Tensor, out: int, kernel_size: int | Sequence[int], groups: int = 1) -> NDArray[np.floating]:
    """The module's `weight`, (out, C / groups, k …), for an input (N, C, …); see `weight_of`."""
    sizes = spread(x, "kernel_size", kernel_size, spatial(x))
    check_groups(x, groups, x.shape[1], out)
    return weight_of(s, out, x.shape[1] // groups, *sizes)


def check_groups(x: Tensor, groups: int, channels: int, out: int = -1) -> None:
    """Raise unless `groups` divides the input's channels and, where they are given, the output's."""
    if groups < 1 or channels % groups or (out != -1 and out % groups):
        both = f"{channels}" if out == -1 else f"{channels} and {out}"
        raise x.error(f"groups: found {groups}, expected a divisor of {both} channels")
