"""The anchor-based detection head of YOLOv5, decoded inside the network.

With raw output t for a cell (row, column), an anchor (w, h) and a stride, all in input pixels, the box is
    x = (2·σ(t₀) − ½ + column)·stride      w' = (2·σ(t₂))²·w
    y = (2·σ(t₁) − ½ + row)·stride         h' = (2·σ(t₃))²·h
with objectness σ(t₄), class scores σ(t₅…), and where there are masks, their coefficients as they are: YOLOv5 v6 and
v7. Candidates are ordered (level, anchor, row, column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import argmax, cat, index_select, sigmoid, topk
from wtsnet.ops.create import arange_like

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wtsnet.network import Tensor


def predictions(
    levels: Sequence[Tensor], anchors: NDArray[np.float32], strides: Sequence[int], masks: int = 0
) -> Tensor:
    """All candidates, (N, candidates, 5+nc+masks) in float32: x y w h in input pixels, objectness, class scores, mask
    coefficients.

    Each level is decoded on its own grid (N, A, H, W, 5+nc), where what is added and multiplied is one value a column,
    a row or an anchor: of one value a candidate, the engine would keep half a megabyte at 640×640.

    Args:
        levels: the raw outputs, each (N, A·(5+nc+masks), H, W).
        anchors: (levels, A, 2) widths and heights in input pixels.
        strides: for each level, the input pixels between its cells.
    """
    decoded = [_decoded(*level, masks) for level in zip(levels, anchors, strides, strict=True)]
    return cat(decoded, 1)


def best(rows: Tensor, k: int, masks: int = 0) -> dict[str, Tensor]:
    """Of `predictions`, the best `k` by objectness × best class score, best first.

    Returns:
        `boxes` (N, k, 4) as x1 y1 x2 y2 in input pixels, `scores` (N, k), `classes` (N, k) int32, and where there are
        masks, `masks` (N, k, masks).
    """
    end = rows.shape[2] - masks
    scores, indices = topk(rows[..., 4] * rows[..., 5:end].amax(2), k, 1)
    chosen = index_select(rows, 1, indices, batch_dims=1)
    xy, half = chosen[..., :2], chosen[..., 2:4] * 0.5
    boxes = cat((xy - half, xy + half), 2)
    found = {"boxes": boxes, "scores": scores, "classes": argmax(chosen[..., 5:end], 2)}
    return found | ({"masks": chosen[..., end:]} if masks else {})


def _decoded(raw: Tensor, anchors: NDArray[np.float32], stride: int, masks: int) -> Tensor:
    """One level's (N, A·(5+nc+masks), H, W) as (N, A·H·W, 5+nc+masks)."""
    n, _, h, w = raw.dims
    count, values = len(anchors), raw.shape[1] // len(anchors)
    cells = raw.reshape(n, count, values, h, w).permute(0, 1, 3, 4, 2).float()
    y = sigmoid(cells[..., : values - masks])
    parts = [
        _centre(y[..., 0:1], 3, stride),
        _centre(y[..., 1:2], 2, stride),
        y[..., 2:4] ** 2 * raw.net.constant(4 * anchors.reshape(1, count, 1, 1, 2), "float32", label="anchors"),
        y[..., 4:],
    ]
    if masks:
        parts.append(cells[..., values - masks :])
    return cat(parts, 4).reshape(n, h * w * count, values)


def _centre(y: Tensor, axis: int, stride: int) -> Tensor:
    """(2y − ½ + cell)·stride, the cells being counted along `axis`."""
    cell = arange_like(y, y.dims[axis], "float32", start=-stride / 2, step=stride)
    shape = [1] * y.rank
    shape[axis] = -1
    return y * (2 * stride) + cell.reshape(shape)
