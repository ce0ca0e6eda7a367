"""Sliding windows of pictures as columns, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wtsnet.network import Dim, op
from wtsnet.network.indexing import index_select
from wtsnet.network.reduce import sum
from wtsnet.network.shape import emit_slice, permute, reshape, unsqueeze
from wtsnet.ops.create import arange_like
from wtsnet.ops.padding import pad_with
from wtsnet.ops.windows import spatial, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wtsnet.network import Tensor


class _Windows(NamedTuple):
    """The windows along one dimension.

    Attributes:
        number: how many there are.
        size: how many values each has.
        step: how far it is from one of these to the next.
        before: how many zeros are put in front of the dimension, and behind it.
        stride: how far it is from one window to the next.
    """

    number: int | Dim
    size: int
    step: int
    before: int
    stride: int

    @property
    def apart(self) -> bool:
        """Whether each window begins where the one before it ends."""
        return self.stride == self.size and self.step == 1 and self.before == 0


@op("torch.nn.functional.unfold")
def unfold(
    input: Tensor,
    kernel_size: int | Sequence[int],
    *,
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Tensor:
    """Every window of (N, C, H, W) as a column: (N, C·kernel height·kernel width, windows), row by row."""
    spatial(input, 2)
    n, c, *sizes = input.dims
    rows, columns = _windows(input, sizes, kernel_size, dilation, padding, stride)
    if rows.apart and columns.apart:
        covered = rows.number * rows.size, columns.number * columns.size
        fits = -1 not in input.shape[2:] and covered == input.shape[2:]
        x = input if fits else emit_slice(input, (0,) * 4, (n, c, *covered), (1,) * 4)
        y = reshape(x, (n, c, rows.number, rows.size, columns.number, columns.size))
        y = permute(y, (0, 1, 3, 5, 2, 4))
    else:
        x = pad_with(input, [(0, 0), (0, 0), (rows.before,) * 2, (columns.before,) * 2])
        y = permute(_split(_split(x, 3, columns), 2, rows), (0, 1, 2, 4, 3, 5))
    return reshape(y, (n, c * (rows.size * columns.size), rows.number * columns.number))


def _split(x: Tensor, dim: int, windows: _Windows) -> Tensor:
    """A dimension as two: values of a window, windows."""
    if windows.size == windows.stride == 1:
        return unsqueeze(x, dim)
    inside = (np.arange(windows.size) * windows.step)[:, None]
    if isinstance(windows.number, int):
        places = x.net.constant(np.arange(windows.number) * windows.stride + inside, "int32", label="windows")
    else:
        starts = arange_like(x, windows.number, "int32", step=windows.stride)
        places = unsqueeze(starts, 0) + x.net.constant(inside, "int32", label="windows")
    return index_select(x, dim, places)


@op("torch.nn.functional.fold")
def fold(
    input: Tensor,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Tensor:
    """Pictures (N, C, *output_size) of the sums of what the columns of `unfold` hold for each of their pixels.

    Args:
        input: (N, C·kernel height·kernel width, windows).
        output_size: must be known; the batch need not.
    """
    if input.rank != 3:
        raise input.error(f"input: found shape {input.shape}, expected (N, C·kernel height·kernel width, windows)")
    height, width = spread(input, "output_size", output_size, 2)
    rows, columns = _windows(input, (height, width), kernel_size, dilation, padding, stride)
    size, number = rows.size * columns.size, rows.number * columns.number
    if input.shape[1] == -1 or input.shape[1] % size or input.shape[2] not in (-1, number):
        raise input.error(f"input: found shape {input.shape}, expected (N, a multiple of {size}, {number})")
    n, c = input.dims[0], input.shape[1] // size
    y = reshape(input, (n, c, rows.size, columns.size, rows.number, columns.number))
    if rows.apart and columns.apart:
        covered = rows.number * rows.size, columns.number * columns.size
        y = reshape(permute(y, (0, 1, 4, 2, 5, 3)), (n, c, *covered))
        return pad_with(y, [(0, 0), (0, 0), (0, height - covered[0]), (0, width - covered[1])])
    y = reshape(permute(y, (0, 1, 2, 4, 3, 5)), (n, c, rows.size * rows.number, columns.size * columns.number))
    tables = _sources(rows, height), _sources(columns, width)
    behind = [(0, int((table == length).any())) for table, length in zip(tables, y.shape[2:], strict=True)]
    y = pad_with(y, [(0, 0), (0, 0), *behind])
    return _added(_added(y, 3, tables[1]), 2, tables[0])


def _sources(windows: _Windows, size: int) -> NDArray[np.int64]:
    """Where in a row (values of a window, windows) the summands of each of `size` values stand, and where there are
    fewer than elsewhere, the index behind the row: (summands, size)."""
    inside, starts = np.arange(windows.size) * windows.step, np.arange(int(windows.number)) * windows.stride
    places = (inside[:, None] + starts - windows.before).ravel()
    sources = [np.flatnonzero(places == place) for place in range(size)]
    table = np.full((max(1, *map(len, sources)), size), len(places))
    for place, found in enumerate(sources):
        table[: len(found), place] = found
    return table


def _added(x: Tensor, dim: int, table: NDArray[np.int64]) -> Tensor:
    if np.array_equal(table, np.arange(table.size)[None]):
        return x
    if len(table) == 1:
        return index_select(x, dim, x.net.constant(table[0], "int32", label="windows"))
    return sum(index_select(x, dim, x.net.constant(table, "int32", label="windows")), dim)


def _windows(
    x: Tensor,
    sizes: Sequence[int | Dim],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int],
    padding: int | Sequence[int],
    stride: int | Sequence[int],
) -> list[_Windows]:
    kernels, steps = spread(x, "kernel_size", kernel_size, 2), spread(x, "dilation", dilation, 2)
    before, strides = spread(x, "padding", padding, 2, least=0), spread(x, "stride", stride, 2)
    windows = []
    for size, k, d, p, s in zip(sizes, kernels, steps, before, strides, strict=True):
        count = (size + (2 * p - d * (k - 1) - 1)) // s + 1
        if isinstance(count, int) and count < 1:
            raise x.error(
                f"kernel_size: found a window of {d * (k - 1) + 1} on size {size} padded by {p}, expected one that fits"
            )
        windows.append(_Windows(count, k, d, p, s))
    return windows
