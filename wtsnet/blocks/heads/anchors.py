"""The anchor-based detection head of YOLOv5, decoded inside the network.

With raw output t for a cell (row, column), an anchor (w, h) and a stride, all in input pixels, the box is
    x = (2·σ(t₀) − ½ + column)·stride      w' = (2·σ(t₂))²·w
    y = (2·σ(t₁) − ½ + row)·stride         h' = (2·σ(t₃))²·h
with objectness σ(t₄), class scores σ(t₅…), and where there are masks, their coefficients as they are: YOLOv5 v6 and
v7. Candidates are ordered (level, anchor, row, column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wtsnet.ops import add, amax, arange, argmax, concat, cut, mul, permute, reshape, sigmoid, squeeze, take, topk

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from wtsnet.network import Dim, Scope, Tensor


def predictions(
    s: Scope, levels: Sequence[Tensor], anchors: NDArray[np.float32], strides: Sequence[int], masks: int = 0
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
    decoded = [_decoded(s, i, level, anchors[i], strides[i], masks) for i, level in enumerate(levels)]
    return concat(s, decoded, 1, suffix="predictions")


def best(s: Scope, rows: Tensor, k: int, masks: int = 0) -> dict[str, Tensor]:
    """Of `predictions`, the best `k` by objectness × best class score, best first.

    Returns:
        `boxes` (N, k, 4) as x1 y1 x2 y2 in input pixels, `scores` (N, k), `classes` (N, k) int32, and where there are
        masks, `masks` (N, k, masks).
    """
    end = rows.shape[2] - masks
    top = amax(s, cut(s, rows, 2, 5, end, suffix="classes"), 2, keepdim=True, suffix="best")
    score = mul(s, top, cut(s, rows, 2, 4, 5, suffix="objectness"), suffix="score")
    scores, indices = topk(s, squeeze(s, score, 2, suffix="score:flat"), k, 1, suffix="topk")
    chosen = take(s, rows, indices, 1, batched=1, suffix="chosen")
    xy, wh = cut(s, chosen, 2, 0, 2, suffix="chosen:xy"), cut(s, chosen, 2, 2, 4, suffix="chosen:wh")
    half = mul(s, wh, 0.5, suffix="half")
    boxes = concat(s, [xy - half, xy + half], 2, suffix="boxes")
    classes = argmax(s, cut(s, chosen, 2, 5, end, suffix="chosen:classes"), 2, suffix="classes:best")
    found = {"boxes": boxes, "scores": scores, "classes": classes}
    return found | ({"masks": cut(s, chosen, 2, end, suffix="masks")} if masks else {})


def _decoded(s: Scope, index: int, raw: Tensor, anchors: NDArray[np.float32], stride: int, masks: int) -> Tensor:
    """One level's (N, A·(5+nc+masks), H, W) as (N, A·H·W, 5+nc+masks)."""
    n, _, h, w = raw.dims
    count, values = len(anchors), raw.shape[1] // len(anchors)
    cells = reshape(s, raw, (n, count, values, h, w), suffix=f"cells{index}")
    cells = s.cast(permute(s, cells, (0, 1, 3, 4, 2), suffix=f"last{index}"), "float32")
    scored = cut(s, cells, 4, 0, values - masks, suffix=f"scored{index}") if masks else cells
    y = sigmoid(s, scored, suffix=f"sigmoid{index}")
    wh = cut(s, y, 4, 2, 4, suffix=f"wh{index}")
    anchor = s.constant(4 * anchors.reshape(1, count, 1, 1, 2), "float32", suffix=f"anchors{index}")
    parts = [
        _centre(s, f"x{index}", cut(s, y, 4, 0, 1, suffix=f"x{index}"), 3, w, stride),
        _centre(s, f"y{index}", cut(s, y, 4, 1, 2, suffix=f"y{index}"), 2, h, stride),
        mul(s, mul(s, wh, wh, suffix=f"wh{index}:square"), anchor, suffix=f"wh{index}:pixels"),
        cut(s, y, 4, 4, suffix=f"scores{index}"),
    ]
    if masks:
        parts.append(cut(s, cells, 4, values - masks, suffix=f"masks{index}"))
    boxes = concat(s, parts, 4, suffix=f"decoded{index}")
    return reshape(s, boxes, (n, h * w * count, values), suffix=f"rows{index}")


def _centre(s: Scope, name: str, y: Tensor, axis: int, size: int | Dim, stride: int) -> Tensor:
    """(2y − ½ + cell)·stride, the cells being counted along `axis`, of `size`."""
    shape: list[int | Dim] = [1] * y.rank
    shape[axis] = size
    cell = arange(s, size, start=-stride / 2, step=stride, suffix=f"{name}:cells")
    pixels = mul(s, y, 2 * stride, suffix=f"{name}:pixels")
    return add(s, pixels, reshape(s, cell, shape, suffix=f"{name}:grid"), suffix=f"{name}:centre")
