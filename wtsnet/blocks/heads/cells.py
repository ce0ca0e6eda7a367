"""Where in the picture a detector's candidates lie.

Candidates are counted through the levels and, in each, through the rows of its cells. A cell's own point is its
middle, ½ right of and below its corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wtsnet.network import Dim, shape_tensor
from wtsnet.ops import cat, floor, index_select
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Tensor


class Places(NamedTuple):
    """Where candidates lie: `points` (N or 1, 2, n) are x and y of their cells' middles in cells, `stride` (N or 1, 1,
    n) the input pixels between cells; float32."""

    points: Tensor
    stride: Tensor


def everywhere(levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Of all candidates of the maps `levels` (N, C, H, W)."""
    numbers = arange_like(levels[0], _count(levels), "float32")
    return _places(numbers.reshape(1, 1, -1), levels, strides)


def places(index: Tensor, levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Of the candidates of these numbers, `index` (N, n) int32."""
    return _places(index.float().unsqueeze(1), levels, strides)


def _places(number: Tensor, levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Reckoned from the numbers (N or 1, 1, n): of a table of all candidates, the engine would keep every value."""
    table = _table(levels, strides)
    reached = number > table[None, :, :1] - 0.5
    level = reached.float().sum(1) - 1
    first, width, stride = index_select(table, 0, level.int()).transpose(1, 2).split(1, 1)
    cell = number - first
    # Half a cell more keeps the quotient away from whole numbers, so that its rounding does not matter.
    row = floor((cell + 0.5) / width)
    column = cell - row * width
    return Places(cat((column, row), 1) + 0.5, stride)


def _table(levels: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """The number of the first candidate, the cells in a row and the stride of each level: (levels, 3) float32."""
    net = levels[0].net
    values: list[int | Dim] = []
    for i, (level, stride) in enumerate(zip(levels, strides, strict=True)):
        values += [_count(levels[:i]), level.dims[3], stride]
    if any(isinstance(value, Dim) for value in values):
        return shape_tensor(net, values).float().reshape(-1, 3)
    return net.constant(np.array(values).reshape(-1, 3), "float32", label="cells")


def _count(levels: Sequence[Tensor]) -> int | Dim:
    count: int | Dim = 0
    for level in levels:
        height, width = level.dims[2:]
        count = height * width + count
    return count
