"""Convolutions over 1, 2 or 3 spatial dimensions, with the batch norm that follows folded in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.ops.norm import affine_of_batch_norm, batch_norm
from wtsnet.ops.pad import pad_with
from wtsnet.ops.pointwise import add
from wtsnet.ops.shape import spatial, squeeze, unsqueeze

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def spread(s: Scope, name: str, value: int | tuple[int, ...], rank: int, least: int = 1) -> tuple[int, ...]:
    """One size for each of `rank` spatial dimensions: a number stands for all of them. None is below `least`."""
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) != rank:
        raise s.error(f"{name}: found {value}, expected a number or {rank} of them")
    if min(sizes) < least:
        raise s.error(f"{name}: found {value}, expected at least {least}")
    return sizes


def padding(
    s: Scope, pad: int | tuple[int, ...] | tuple[tuple[int, int], ...], rank: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and after, for each spatial dimension.

    `pad` is a number, one number a dimension, or one (before, after) a dimension as in `numpy.pad`.
    """
    if isinstance(pad, tuple) and any(isinstance(side, tuple) for side in pad):
        if len(pad) != rank or not all(isinstance(side, tuple) and len(side) == 2 for side in pad):
            raise s.error(f"pad: found {pad}, expected {rank} pairs (before, after)")
        before, after = (tuple(side[i] for side in pad) for i in (0, 1))  # type: ignore[index]  # all are pairs
        return spread(s, "pad", before, rank, least=0), spread(s, "pad", after, rank, least=0)
    both = spread(s, "pad", pad, rank, least=0)  # type: ignore[arg-type]  # pairs were handled above
    return both, both


def conv(
    s: Scope,
    x: Tensor,
    out: int,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    pad: int | tuple[int, ...] | tuple[tuple[int, int], ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    bias: bool = True,
) -> Tensor:
    """`torch.nn.Conv1d`, `Conv2d` or `Conv3d`, by the rank of `x`.

    Args:
        x: (N, C, spatial …).
        out: output channels; -1 for as many as the weight has.
        k, stride, dilation: a number, or one for each spatial dimension.
        pad: zeros around: a number, one a dimension, or one (before, after) a dimension.
        bias: whether the module has `bias` beside `weight`.

    Returns:
        (N, out, spatial …).
    """
    kernel = kernel_of(s, x, out, k, groups)
    offset = s.take("bias", kernel.shape[0]) if bias else None
    return emit_conv(s, x, kernel, offset, stride, pad, dilation, groups)


def conv_bn(
    s: Scope,
    bn: Scope,
    x: Tensor,
    out: int,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    pad: int | tuple[int, ...] | tuple[tuple[int, int], ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    bias: bool = False,
    eps: float = 1e-5,
) -> Tensor:
    """A convolution `s` and the batch norm `bn` behind it, as one layer named after the batch norm.

    With running mean m, variance v, weight g and bias b, y = (conv(x) − m)·g/√(v+eps) + b (Ioffe & Szegedy 2015,
    eq. 2), so the kernel is multiplied by g/√(v+eps) and the bias follows. This is done in float64. With
    `Network.fold_bn` off, the two stay apart. `eps` counts where no manifest tells the module's own.
    """
    if not s.net.fold_bn:
        return batch_norm(bn, conv(s, x, out, k, stride, pad, dilation, groups, bias), eps)
    scale, shift = affine_of_batch_norm(bn, out, eps)
    kernel = kernel_of(s, x, out, k, groups)
    offset = s.take("bias", out).astype(np.float64) if bias else 0.0
    folded = kernel * scale.reshape(-1, *(1,) * (kernel.ndim - 1))
    return emit_conv(bn, x, folded, offset * scale + shift, stride, pad, dilation, groups)


def conv_transpose(
    s: Scope,
    x: Tensor,
    out: int,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    pad: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    bias: bool = True,
) -> Tensor:
    """`torch.nn.ConvTranspose1d`, `2d` or `3d`, by the rank of `x`: (N, C, …) to (N, out, …).

    `weight` is (C, out / groups, k …); `out` -1 stands for as many as it has. The output's size is
    (n − 1)·stride − 2·pad + dilation·(k − 1) + output_padding + 1. In bfloat16 it is computed in float32.
    """
    rank, own = spatial(s, x), x.trt.dtype
    wide = x.dtype == "bfloat16"  # of which TensorRT for RTX 1.7 builds no deconvolution
    x, last = (s.cast(x, "float32"), "wide") if wide else (x, "")
    sizes, strides = spread(s, "k", k, rank), spread(s, "stride", stride, rank)
    dilations = spread(s, "dilation", dilation, rank)
    before = spread(s, "pad", pad, rank, least=0)
    extra = spread(s, "output_padding", output_padding, rank, least=0)
    channels = x.shape[1]
    check_groups(s, groups, channels, out)
    if any(e >= max(st, d) for e, st, d in zip(extra, strides, dilations, strict=True)):
        raise s.error(f"output_padding: found {output_padding}, expected less than stride or dilation")
    kernel = s.take("weight", channels, -1 if out == -1 else out // groups, *sizes)
    out = kernel.shape[1] * groups
    offset = s.take("bias", out) if bias else None
    if rank == 1:
        kernel, x = kernel[..., None], unsqueeze(s, x, 3, suffix="unsqueeze")
        sizes, strides, dilations = (*sizes, 1), (*strides, 1), (*dilations, 1)
        before, extra = (*before, 0), (*extra, 0)
    after = tuple(b - e for b, e in zip(before, extra, strict=True))
    beyond = tuple(max(-a, 0) for a in after)  # rows behind all that the kernel reaches: they hold the bias alone
    dtype = x.dtype
    y = s.emit(
        "add_deconvolution_nd",
        x,
        out,
        sizes,
        s.convert(kernel, dtype),
        None if offset is None or any(beyond) else s.convert(offset, dtype),
        suffix="deconvolution" if rank == 1 or any(beyond) else last,
        stride_nd=strides,
        dilation_nd=dilations,
        num_groups=groups,
        pre_padding=before,
        post_padding=tuple(max(a, 0) for a in after),
    )
    if any(beyond):
        y = pad_with(s, y, [(0, 0), (0, 0), *((0, b) for b in beyond)], suffix="padded")
        values = np.zeros(out) if offset is None else offset
        shift = s.constant(values.reshape(1, -1, *(1,) * (y.rank - 2)), dtype, suffix="bias")
        y = add(s, y, shift, suffix="biased" if rank == 1 else last)
    y = squeeze(s, y, 3, suffix=last) if rank == 1 else y
    return s.emit("add_cast", y, own) if wide else y


def kernel_of(s: Scope, x: Tensor, out: int, k: int | tuple[int, ...], groups: int) -> NDArray[np.float32]:
    """The module's `weight`, (out, C / groups, k …), for an input (N, C, …)."""
    sizes = spread(s, "k", k, spatial(s, x))
    check_groups(s, groups, x.shape[1], out)
    return s.take("weight", out, x.shape[1] // groups, *sizes)


def check_groups(s: Scope, groups: int, channels: int, out: int = -1) -> None:
    """Raise unless `groups` divides the input's channels and, where they are given, the output's."""
    if groups < 1 or channels % groups or (out != -1 and out % groups):
        both = f"{channels}" if out == -1 else f"{channels} and {out}"
        raise s.error(f"groups: found {groups}, expected a divisor of {both} channels")


def emit_conv(
    s: Scope,
    x: Tensor,
    kernel: NDArray[np.floating],
    bias: NDArray[np.floating] | None,
    stride: int | tuple[int, ...] = 1,
    pad: int | tuple[int, ...] | tuple[tuple[int, int], ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution with a given kernel (out, C / groups, k …) and bias (out,) or None."""
    rank = spatial(s, x)
    strides, dilations = spread(s, "stride", stride, rank), spread(s, "dilation", dilation, rank)
    before, after = padding(s, pad, rank)
    if rank == 1:  # TensorRT convolves over two or three dimensions
        kernel, x = kernel[..., None], unsqueeze(s, x, 3, suffix="unsqueeze")
        strides, dilations, before, after = (*strides, 1), (*dilations, 1), (*before, 0), (*after, 0)
    y = s.emit(
        "add_convolution_nd",
        x,
        kernel.shape[0],
        kernel.shape[2:],
        s.convert(kernel, x.dtype),
        None if bias is None else s.convert(bias, x.dtype),
        suffix="convolution" if rank == 1 else "",
        stride_nd=strides,
        dilation_nd=dilations,
        num_groups=groups,
        pre_padding=before,
        post_padding=after,
    )
    return squeeze(s, y, 3) if rank == 1 else y
