"""Pooling over 1, 2 or 3 spatial dimensions, with PyTorch's rules for where windows lie and what they divide by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wtsnet import trt as tensorrt
from wtsnet.network import Dim, op
from wtsnet.network.pointwise import maximum
from wtsnet.network.product import matmul
from wtsnet.network.reduce import amax, mean
from wtsnet.network.shape import cat, cut, emit_slice, squeeze, transpose, unsqueeze
from wtsnet.ops.padding import pad_with
from wtsnet.ops.windows import spatial, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wtsnet.network import Tensor


@op("torch.nn.functional.max_pool1d")
def max_pool1d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of (N, C, L); see `max_pool2d`."""
    spatial(input, 1)
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)


@op("torch.nn.functional.max_pool2d")
def max_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of (N, C, H, W); `stride` is the kernel's size where it is None.

    `ceil_mode` on sizes known only at run time needs stride + padding ≤ kernel_size: else PyTorch, but not TensorRT,
    may leave the last window out.
    """
    spatial(input, 2)
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)


@op("torch.nn.functional.max_pool3d")
def max_pool3d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The maximum of each window of (N, C, D, H, W); see `max_pool2d`."""
    spatial(input, 3)
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)


@op("torch.nn.functional.avg_pool1d")
def avg_pool1d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L); see `avg_pool2d`."""
    spatial(input, 1)
    return _pool("AVERAGE", input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op("torch.nn.functional.avg_pool2d")
def avg_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, H, W); `stride` is the kernel's size where it is None.

    Args:
        ceil_mode: whether a last window may reach over the end; not with sizes known only at run time.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: what a window's sum is divided by, in place of how many values it has.
    """
    spatial(input, 2)
    return _pool("AVERAGE", input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op("torch.nn.functional.avg_pool3d")
def avg_pool3d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W); see `avg_pool2d`."""
    spatial(input, 3)
    return _pool("AVERAGE", input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op("torch.nn.functional.adaptive_avg_pool1d")
def adaptive_avg_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The mean of windows that make this size; see `adaptive_avg_pool2d`."""
    spatial(input, 1)
    return _adaptive(input, output_size, mean)


@op("torch.nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The mean of windows that make (N, C, *output_size); None keeps a size.

    Window i of n over a length L covers ⌊i·L/n⌋ to ⌈(i+1)·L/n⌉. A mean over such windows is a product with a
    constant (L, n) matrix, one for each dimension.
    """
    spatial(input, 2)
    return _adaptive(input, output_size, mean)


@op("torch.nn.functional.adaptive_avg_pool3d")
def adaptive_avg_pool3d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The mean of windows that make this size; see `adaptive_avg_pool2d`."""
    spatial(input, 3)
    return _adaptive(input, output_size, mean)


@op("torch.nn.functional.adaptive_max_pool1d")
def adaptive_max_pool1d(input: Tensor, output_size: int | Sequence[int]) -> Tensor:
    """The maximum of windows that make this size, those of `adaptive_avg_pool2d`."""
    spatial(input, 1)
    return _adaptive(input, output_size, amax)


@op("torch.nn.functional.adaptive_max_pool2d")
def adaptive_max_pool2d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The maximum of windows that make this size, those of `adaptive_avg_pool2d`."""
    spatial(input, 2)
    return _adaptive(input, output_size, amax)


@op("torch.nn.functional.adaptive_max_pool3d")
def adaptive_max_pool3d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The maximum of windows that make this size, those of `adaptive_avg_pool2d`."""
    spatial(input, 3)
    return _adaptive(input, output_size, amax)


def _max_pool(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> Tensor:
    rank = spatial(x)
    dilations = spread(x, "dilation", dilation, rank)
    if max(dilations) == 1:
        return _pool("MAX", x, kernel_size, stride, padding, ceil_mode)
    # TensorRT has no dilated pooling: the maximum of shifted copies, one dimension after the other.
    window, before = spread(x, "kernel_size", kernel_size, rank), spread(x, "padding", padding, rank, least=0)
    steps = window if stride is None else spread(x, "stride", stride, rank)
    _check_padding(x, before, window)
    for axis, (k, step, p, d) in enumerate(zip(window, steps, before, dilations, strict=True), 2):
        reach = d * (k - 1) + 1
        length = x.dims[axis]
        after = _padding_after(x, length, reach, step, p) if ceil_mode else p
        count = (length + (p + after - reach)) // step + 1
        if isinstance(count, int) and count < 1:
            raise x.error(
                f"kernel_size: found a window of {reach} on size {length} padded by {p}, expected one that fits"
            )
        pads: list[tuple[int | Dim, int | Dim]] = [(0, 0)] * x.rank
        pads[axis] = (p, after)
        wide = pad_with(x, pads, value=-math.inf)
        starts, strides = [0] * x.rank, [step if i == axis else 1 for i in range(x.rank)]
        sizes = [count if i == axis else size for i, size in enumerate(wide.dims)]
        x = emit_slice(wide, starts, sizes, strides)
        for j in range(1, k):
            starts[axis] = j * d
            x = maximum(x, emit_slice(wide, starts, sizes, strides))
    return x


def _check_padding(x: Tensor, padding: tuple[int, ...], window: tuple[int, ...]) -> None:
    if any(2 * p > w for p, w in zip(padding, window, strict=True)):
        raise x.error(f"padding: found {padding}, expected at most half of the window {window}")


def _adaptive(x: Tensor, output_size: int | Sequence[int | None], function: Callable[..., Tensor]) -> Tensor:
    """`function`, mean or amax, of the windows."""
    sizes = _adaptive_sizes(x, output_size)
    if sizes == x.shape[2:]:
        return x
    if all(n == 1 for n in sizes):
        return function(x, tuple(range(2, x.rank)), keepdim=True)
    averages = function is mean
    if windows := _even_windows(x, sizes):
        return _pool("AVERAGE" if averages else "MAX", x, windows, None, 0, False)
    return _axis_by_axis(x, sizes, _means if averages else _maxima)


def _pool(
    kind: str,
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Tensor:
    rank = spatial(x)
    window, before = spread(x, "kernel_size", kernel_size, rank), spread(x, "padding", padding, rank, least=0)
    steps = window if stride is None else spread(x, "stride", stride, rank)
    _check_padding(x, before, window)
    lengths = x.shape[2:]
    if any(n != -1 and n + 2 * p < w for n, w, p in zip(lengths, window, before, strict=True)):
        raise x.error(
            f"kernel_size: found a window {window} on sizes {lengths} padded by {before}, expected one that fits"
        )
    if divisor == 0:
        raise x.error("divisor_override: found 0, expected another number or None")
    after, rounding = before, "EXPLICIT_ROUND_DOWN"
    if ceil_mode and kind == "MAX" and -1 in lengths and all(map(_always_inside, window, steps, before)):
        rounding = "EXPLICIT_ROUND_UP"
    elif ceil_mode:
        after = tuple(_padding_after(x, *sizes) for sizes in zip(lengths, window, steps, before, strict=True))
    beyond = any(b > a for a, b in zip(before, after, strict=True))
    correction = None
    if kind == "AVERAGE" and (divisor or (beyond and count_include_pad)):
        correction = _correction(lengths, window, steps, before, after, divisor)
    if one_dimensional := rank == 1:
        x = unsqueeze(x, 3)
        window, steps, before, after = (*window, 1), (*steps, 1), (*before, 0), (*after, 0)
    y = x.net.emit(
        "add_pooling_nd",
        x,
        tensorrt.enum("PoolingType", kind),
        window,
        stride_nd=steps,
        pre_padding=before,
        post_padding=after,
        padding_mode=tensorrt.enum("PaddingMode", rounding),
        average_count_excludes_padding=not (count_include_pad or divisor),
    )
    if one_dimensional:
        y = squeeze(y, 3)
    if correction is None:
        return y
    return y * y.net.constant(correction, y.dtype, label="correction")


def _always_inside(window: int, step: int, before: int) -> bool:
    """Whether, rounded up, the last window starts inside the input or the padding before it, whatever the length n:
    it starts at ⌈(n + 2·before − window)/step⌉·step, which is at most n + 2·before − window + step − 1."""
    return step + before <= window


def _padding_after(x: Tensor, length: int | Dim, window: int, step: int, before: int) -> int:
    """The padding behind a dimension that gives PyTorch's number of windows in ceil mode."""
    if isinstance(length, Dim) or length == -1:
        raise x.error(
            "ceil_mode: found a dynamic size, expected a fixed one (or max pooling with stride + padding ≤ kernel_size)"
        )
    count = -(-(length + 2 * before - window) // step) + 1
    if (count - 1) * step >= length + before:  # a window must start inside the input or the padding before it
        count -= 1
    return max((count - 1) * step + window - length - before, 0)


def _correction(
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


def _adaptive_sizes(x: Tensor, size: int | Sequence[int | None]) -> tuple[int, ...]:
    rank = spatial(x)
    sizes = (size,) * rank if isinstance(size, int) else tuple(size)
    if len(sizes) != rank or any(n is not None and n < 1 for n in sizes):
        raise x.error(f"output_size: found {size}, expected a positive number or {rank} of them")
    return tuple(x.shape[2 + i] if n is None else n for i, n in enumerate(sizes))


def _even_windows(x: Tensor, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The window of a plain pooling that does the same, where every size divides its length."""
    pairs = list(zip(x.shape[2:], sizes, strict=True))
    if any(-1 in (length, n) or length % n for length, n in pairs if length != n):
        return None
    return tuple(1 if length == n else length // n for length, n in pairs)


def _axis_by_axis(x: Tensor, sizes: tuple[int, ...], shrink: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    """`shrink(x, axis, n)` for each spatial axis of another length than `sizes` wants."""
    axes = [axis for axis in range(2, x.rank) if sizes[axis - 2] != x.shape[axis]]
    for axis in axes:
        x = shrink(x, axis, sizes[axis - 2])
    return x


def _windows(x: Tensor, axis: int, n: int) -> list[tuple[int, int]]:
    length = x.shape[axis]
    if length == -1:
        raise x.error(f"found a dynamic size at dim {axis} of {x.shape}, expected a fixed one")
    return [(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]


def _means(x: Tensor, axis: int, n: int) -> Tensor:
    """`x` times the (length, n) matrix of the windows' means, along `axis`."""
    if n == 1:
        return mean(x, axis, keepdim=True)
    windows = _windows(x, axis, n)
    matrix = np.zeros((x.shape[axis], n))
    for i, (start, end) in enumerate(windows):
        matrix[start:end, i] = 1 / (end - start)
    right = x.net.constant(matrix[(None,) * (x.rank - 2)], x.dtype, label="windows")
    if axis == x.rank - 1:
        return matmul(x, right)
    return transpose(matmul(transpose(x, axis, -1), right), axis, -1)


def _maxima(x: Tensor, axis: int, n: int) -> Tensor:
    """The maximum of each window along `axis`, one beside the other."""
    if n == 1:
        return amax(x, axis, keepdim=True)
    pieces = [cut(x, axis, start, end) for start, end in _windows(x, axis, n)]
    return cat([amax(piece, axis, keepdim=True) for piece in pieces], axis)
