"""Pooling over 1, 2 or 3 spatial dimensions, with PyTorch's rules for where windows lie and what they divide by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from wtsnet.ops.conv import spread
from wtsnet.ops.linear import matmul
from wtsnet.ops.pointwise import mul
from wtsnet.ops.reduce import amax, mean
from wtsnet.ops.shape import concat, cut, spatial, squeeze, transpose, unsqueeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def max_pool(
    s: Scope,
    x: Tensor,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    pad: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
) -> Tensor:
    """`torch.nn.MaxPool1d`, `2d` or `3d`, by the rank of `x`; `stride` is `k` where it is None.

    `ceil_mode` on sizes known only at run time needs stride + pad ≤ k: else PyTorch, but not TensorRT, may leave the
    last window out.
    """
    return _pool(s, "MAX", x, k, stride, pad, ceil_mode)


def avg_pool(
    s: Scope,
    x: Tensor,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    pad: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Tensor:
    """`torch.nn.AvgPool1d`, `2d` or `3d`, by the rank of `x`.

    Args:
        ceil_mode: whether a last window may reach over the end; not with sizes known only at run time.
        count_include_pad: whether the padding counts in the mean.
        divisor: PyTorch's `divisor_override`: what a window's sum is divided by.
    """
    return _pool(s, "AVERAGE", x, k, stride, pad, ceil_mode, count_include_pad, divisor)


def global_avg_pool(s: Scope, x: Tensor) -> Tensor:
    """The mean over all spatial dimensions, which stay with size 1: `AdaptiveAvgPool2d(1)`."""
    return mean(s, x, range(2, spatial(s, x) + 2), keepdim=True)


def global_max_pool(s: Scope, x: Tensor) -> Tensor:
    """The maximum over all spatial dimensions, which stay with size 1: `AdaptiveMaxPool2d(1)`."""
    return amax(s, x, range(2, spatial(s, x) + 2), keepdim=True)


def adaptive_avg_pool(s: Scope, x: Tensor, size: int | tuple[int | None, ...]) -> Tensor:
    """`torch.nn.AdaptiveAvgPool1d`, `2d` or `3d`; None keeps a size.

    Window i of n over a length L covers ⌊i·L/n⌋ to ⌈(i+1)·L/n⌉. A mean over such windows is a product with a
    constant (L, n) matrix, one for each dimension.
    """
    sizes = _adaptive_sizes(s, x, size)
    if sizes == x.shape[2:]:
        return s.net.record(s.path, x)
    if all(n == 1 for n in sizes):
        return global_avg_pool(s, x)
    if windows := _even_windows(x, sizes):
        return avg_pool(s, x, windows)
    return _axis_by_axis(s, x, sizes, _means)


def adaptive_max_pool(s: Scope, x: Tensor, size: int | tuple[int | None, ...]) -> Tensor:
    """`torch.nn.AdaptiveMaxPool1d`, `2d` or `3d`, with the windows of `adaptive_avg_pool`; None keeps a size."""
    sizes = _adaptive_sizes(s, x, size)
    if sizes == x.shape[2:]:
        return s.net.record(s.path, x)
    if all(n == 1 for n in sizes):
        return global_max_pool(s, x)
    if windows := _even_windows(x, sizes):
        return max_pool(s, x, windows)
    return _axis_by_axis(s, x, sizes, _maxima)


def _pool(
    s: Scope,
    kind: str,
    x: Tensor,
    k: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None,
    pad: int | tuple[int, ...],
    ceil_mode: bool,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Tensor:
    rank = spatial(s, x)
    window, before = spread(s, "k", k, rank), spread(s, "pad", pad, rank, least=0)
    steps = window if stride is None else spread(s, "stride", stride, rank)
    if any(2 * p > w for p, w in zip(before, window, strict=True)):
        raise s.error(f"pad: found {pad}, expected at most half of the window {k}")
    lengths = x.shape[2:]
    if any(n != -1 and n + 2 * p < w for n, w, p in zip(lengths, window, before, strict=True)):
        raise s.error(f"k: found a window {k} on sizes {lengths} padded by {pad}, expected one that fits")
    if divisor == 0:
        raise s.error("divisor: found 0, expected another number or None")
    after, rounding = before, "EXPLICIT_ROUND_DOWN"
    if ceil_mode and kind == "MAX" and -1 in lengths and all(map(_always_inside, window, steps, before)):
        rounding = "EXPLICIT_ROUND_UP"
    elif ceil_mode:
        after = tuple(_padding_after(s, *sizes) for sizes in zip(lengths, window, steps, before, strict=True))
    beyond = any(b > a for a, b in zip(before, after, strict=True))
    correction = None
    if kind == "AVERAGE" and (divisor or (beyond and count_include_pad)):
        correction = _correction(s, lengths, window, steps, before, after, divisor)
    if one_dimensional := rank == 1:
        x = unsqueeze(s, x, 3, suffix="unsqueeze")
        window, steps, before, after = (*window, 1), (*steps, 1), (*before, 0), (*after, 0)
    y = s.emit(
        "add_pooling_nd",
        x,
        s.enum("PoolingType", kind),
        window,
        suffix="pool" if one_dimensional or correction is not None else "",
        stride_nd=steps,
        pre_padding=before,
        post_padding=after,
        padding_mode=s.enum("PaddingMode", rounding),
        average_count_excludes_padding=not (count_include_pad or divisor),
    )
    if one_dimensional:
        y = squeeze(s, y, 3, suffix="squeeze" if correction is not None else "")
    if correction is None:
        return y
    return mul(s, y, s.constant(correction, y.dtype, suffix="correction"))


def _always_inside(window: int, step: int, before: int) -> bool:
    """Whether, rounded up, the last window starts inside the input or the padding before it, whatever the length n:
    it starts at ⌈(n + 2·before − window)/step⌉·step, which is at most n + 2·before − window + step − 1."""
    return step + before <= window


def _padding_after(s: Scope, length: int, window: int, step: int, before: int) -> int:
    """The padding behind a dimension that gives PyTorch's number of windows in ceil mode."""
    if length == -1:
        raise s.error("ceil_mode: found a dynamic size, expected a fixed one (or max pooling with stride + pad ≤ k)")
    count = -(-(length + 2 * before - window) // step) + 1
    if (count - 1) * step >= length + before:  # a window must start inside the input or the padding before it
        count -= 1
    return max((count - 1) * step + window - length - before, 0)


def _correction(
    s: Scope,
    lengths: tuple[int, ...],
    window: tuple[int, ...],
    steps: tuple[int, ...],
    before: tuple[int, ...],
    after: tuple[int, ...],
    divisor: int | None,
) -> NDArray[np.float64]:
    """What to multiply sum / |window| by to divide as PyTorch does: by `divisor`, or by as much of the window as
    lies in the input and its own padding, without what ceil mode added. Of shape (1, 1, spatial …)."""
    volume = math.prod(window)
    if divisor:
        return np.full((1, 1, *(1,) * len(window)), volume / divisor)
    result = np.ones((1, 1, *(1,) * len(window)))
    for axis, (length, w, step, p, q) in enumerate(zip(lengths, window, steps, before, after, strict=True)):
        starts = np.arange((length + p + q - w) // step + 1) * step
        counts = np.minimum(starts + w, length + 2 * p) - starts
        shape = [1] * result.ndim
        shape[axis + 2] = -1
        result = result * (w / counts).reshape(shape)
    return result


def _adaptive_sizes(s: Scope, x: Tensor, size: int | tuple[int | None, ...]) -> tuple[int, ...]:
    rank = spatial(s, x)
    sizes = (size,) * rank if isinstance(size, int) else tuple(size)
    if len(sizes) != rank or any(n is not None and n < 1 for n in sizes):
        raise s.error(f"size: found {size}, expected a positive number or {rank} of them")
    return tuple(x.shape[2 + i] if n is None else n for i, n in enumerate(sizes))


def _even_windows(x: Tensor, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The window of a plain pooling that does the same, where every size divides its length."""
    pairs = list(zip(x.shape[2:], sizes, strict=True))
    if any(length % n or -1 in (length, n) for length, n in pairs if length != n):
        return None
    return tuple(1 if length == n else length // n for length, n in pairs)


def _axis_by_axis(
    s: Scope, x: Tensor, sizes: tuple[int, ...], shrink: Callable[[Scope, Tensor, int, int, str], Tensor]
) -> Tensor:
    """`shrink(s, x, axis, n, suffix)` for each spatial axis of another length than `sizes` wants."""
    axes = [axis for axis in range(2, x.rank) if sizes[axis - 2] != x.shape[axis]]
    for axis in axes:
        x = shrink(s, x, axis, sizes[axis - 2], "" if axis == axes[-1] else f"axis{axis}")
    return x


def _windows(s: Scope, x: Tensor, axis: int, n: int) -> list[tuple[int, int]]:
    length = x.shape[axis]
    if length == -1:
        raise s.error(f"adaptive pooling: found a dynamic size at dim {axis} of {x.shape}, expected a fixed one")
    return [(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]


def _means(s: Scope, x: Tensor, axis: int, n: int, suffix: str) -> Tensor:
    """`x` times the (length, n) matrix of the windows' means, along `axis`."""
    if n == 1:
        return mean(s, x, axis, keepdim=True, suffix=suffix)
    windows = _windows(s, x, axis, n)
    matrix = np.zeros((x.shape[axis], n))
    for i, (start, end) in enumerate(windows):
        matrix[start:end, i] = 1 / (end - start)
    right = s.constant(matrix, x.dtype, suffix="windows")
    if axis == x.rank - 1:
        return matmul(s, x, right, suffix=suffix)
    y = matmul(s, transpose(s, x, axis, -1, suffix="turned"), right, suffix="means")
    return transpose(s, y, axis, -1, suffix=suffix)


def _maxima(s: Scope, x: Tensor, axis: int, n: int, suffix: str) -> Tensor:
    """The maximum of each window along `axis`, one beside the other."""
    if n == 1:
        return amax(s, x, axis, keepdim=True, suffix=suffix)
    pieces = [cut(s, x, axis, start, end, suffix="window") for start, end in _windows(s, x, axis, n)]
    return concat(s, [amax(s, piece, axis, keepdim=True, suffix="max") for piece in pieces], axis, suffix)
