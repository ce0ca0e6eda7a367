"""Where in the picture a detector's candidates lie.

Candidates are counted through the levels and, in each, through the rows of its cells. A cell's own point is its
middle, ½ right of and below its corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wtsnet.network import Dim, shape_tensor
from wtsnet.ops import add, arange, concat, cut, div, floor, greater, mul, permute, reshape, sub, take, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.network import Scope, Tensor


class Places(NamedTuple):
    """Where candidates lie: `points` (N or 1, 2, n) are x and y of their cells' middles in cells, `stride` (N or 1, 1,
    n) the input pixels between cells; float32."""

    points: Tensor
    stride: Tensor


def everywhere(s: Scope, levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Of all candidates of the maps `levels` (N, C, H, W)."""
    numbers = arange(s, _count(levels), suffix="cells:range")
    return _places(s, reshape(s, numbers, (1, -1), suffix="cells:all"), levels, strides)


def places(s: Scope, index: Tensor, levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Of the candidates of these numbers, `index` (N, n) int32."""
    return _places(s, s.cast(index, "float32"), levels, strides)


def _places(s: Scope, index: Tensor, levels: Sequence[Tensor], strides: Sequence[int]) -> Places:
    """Reckoned from the numbers: of a table of all candidates, the engine would keep every value."""
    n, count = index.dims
    number = reshape(s, index, (n, 1, count), suffix="cells:number")
    table = _table(s, levels, strides)
    firsts = reshape(s, cut(s, table, 1, 0, 1, suffix="cells:first"), (1, len(levels), 1), suffix="cells:firsts")
    reached = greater(s, number, sub(s, firsts, 0.5, suffix="cells:before"), suffix="cells:reached")
    level = total(s, s.cast(reached, "float32"), 1, suffix="cells:levels")
    level = s.cast(sub(s, level, 1, suffix="cells:level"), "int32")
    own = permute(s, take(s, table, level, suffix="cells:own"), (0, 2, 1), suffix="cells:its")
    first, width, stride = (cut(s, own, 1, i, i + 1, suffix=f"cells:{name}") for i, name in enumerate(_COLUMNS))
    cell = sub(s, number, first, suffix="cells:cell")
    # Half a cell more keeps the quotient away from whole numbers, so that its rounding does not matter.
    row = floor(s, div(s, add(s, cell, 0.5, suffix="cells:half"), width, suffix="cells:quotient"), suffix="cells:row")
    column = sub(s, cell, mul(s, row, width, suffix="cells:above"), suffix="cells:column")
    points = add(s, concat(s, [column, row], 1, suffix="cells:corner"), 0.5, suffix="cells:points")
    return Places(points, stride)


_COLUMNS = ("offset", "width", "stride")


def _table(s: Scope, levels: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """The number of the first candidate, the cells in a row and the stride of each level: (levels, 3) float32."""
    values: list[int | Dim] = []
    for i, (level, stride) in enumerate(zip(levels, strides, strict=True)):
        values += [_count(levels[:i]), level.dims[3], stride]
    if any(isinstance(value, Dim) for value in values):
        sizes = s.cast(shape_tensor(s, values), "float32")
        return reshape(s, sizes, (len(levels), len(_COLUMNS)), suffix="cells:table")
    numbers = np.array(values, np.float32).reshape(len(levels), len(_COLUMNS))
    return s.constant(numbers, "float32", suffix="cells:table")


def _count(levels: Sequence[Tensor]) -> int | Dim:
    count: int | Dim = 0
    for level in levels:
        height, width = level.dims[2:]
        count = height * width + count
    return count
