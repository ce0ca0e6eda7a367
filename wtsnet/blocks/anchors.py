"""The anchor-based detection head of YOLOv5, decoded inside the network.

With raw output t for a cell (row, column), an anchor (w, h) and a stride, all in input pixels, the box is
    x = (2·σ(t₀) − ½ + column)·stride      w' = (2·σ(t₂))²·w
    y = (2·σ(t₁) − ½ + row)·stride         h' = (2·σ(t₃))²·h
with objectness σ(t₄) and class scores σ(t₅…): YOLOv5 v6 and v7. Candidates are ordered (level, anchor, row, column).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wtsnet.dims import Dim
from wtsnet.ops import (
    add,
    amax,
    arange,
    argmax,
    concat,
    cut,
    expand,
    mul,
    permute,
    reshape,
    sigmoid,
    squeeze,
    take,
    topk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wtsnet.network import Scope, Tensor


def candidates(s: Scope, levels: Sequence[Tensor], anchors: int) -> Tensor:
    """Each level's (N, A·(5+nc), H, W) as rows of one (N, candidates, 5+nc), in float32."""
    rows = []
    for i, raw in enumerate(levels):
        n, c, h, w = raw.dims
        values = c // anchors
        y = reshape(s, raw, (n, anchors, values, h * w), suffix=f"cells{i}")
        y = permute(s, y, (0, 1, 3, 2), suffix=f"last{i}")
        rows.append(reshape(s, y, (n, h * w * anchors, values), suffix=f"rows{i}"))
    return s.cast(concat(s, rows, 1, suffix="candidates"), "float32")


def priors(s: Scope, levels: Sequence[Tensor], anchors: NDArray[np.float32], strides: Sequence[int]) -> Tensor:
    """What the decode adds and multiplies, for each candidate: ((column, row) − ½)·stride, 2·stride, 4·(w, h); a
    (candidates, 5) float32 tensor. A constant, but where the picture's size is known only at run time.

    Args:
        anchors: (levels, A, 2) widths and heights in input pixels.
    """
    made = [_level_priors(s, i, level, anchors[i], strides[i]) for i, level in enumerate(levels)]
    if all(isinstance(prior, np.ndarray) for prior in made):
        return s.constant(np.concatenate(made), "float32", suffix="priors")  # type: ignore[arg-type]  # all are arrays
    return concat(s, [_as_tensor(s, i, prior) for i, prior in enumerate(made)], 0, suffix="priors")


def predictions(s: Scope, rows: Tensor, prior: Tensor) -> Tensor:
    """(N, candidates, 5+nc): x y w h in input pixels, objectness, class scores."""
    y = sigmoid(s, rows, suffix="sigmoid")
    xy, wh = _boxes(s, y, prior)
    return concat(s, [xy, wh, cut(s, y, 2, 4, suffix="scores")], 2)


def best(s: Scope, rows: Tensor, prior: Tensor, k: int) -> dict[str, Tensor]:
    """The best `k` candidates by objectness × best class score, best first, no box decoded but theirs.

    Returns:
        `boxes` (N, k, 4) as x1 y1 x2 y2 in input pixels, `scores` (N, k), `classes` (N, k) int32.
    """
    objectness = sigmoid(s, cut(s, rows, 2, 4, 5, suffix="objectness"), suffix="objectness:sigmoid")
    # σ rises with its argument, so the best class can be found before it.
    top = amax(s, cut(s, rows, 2, 5, suffix="classes"), 2, keepdim=True, suffix="best")
    score = squeeze(
        s, mul(s, sigmoid(s, top, suffix="best:sigmoid"), objectness, suffix="score"), 2, suffix="score:flat"
    )
    scores, indices = topk(s, score, k, 1, suffix="topk")
    chosen = take(s, rows, indices, 1, batched=1, suffix="chosen")
    y = sigmoid(s, cut(s, chosen, 2, 0, 4, suffix="chosen:box"), suffix="chosen:sigmoid")
    xy, wh = _boxes(s, y, take(s, prior, indices, 0, suffix="chosen:priors"))
    half = mul(s, wh, 0.5, suffix="half")
    boxes = concat(s, [xy - half, xy + half], 2, suffix="boxes")
    classes = argmax(s, cut(s, chosen, 2, 5, suffix="chosen:classes"), 2, suffix="classes:best")
    return {"boxes": boxes, "scores": scores, "classes": classes}


def _boxes(s: Scope, y: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sizes from sigmoids (N, n, ≥ 4) and priors ([N,] n, 5)."""
    axis = prior.rank - 1
    offset, stride, anchor = (
        cut(s, prior, axis, a, b, suffix=name) for name, a, b in (("offset", 0, 2), ("stride", 2, 3), ("anchor", 3, 5))
    )
    xy, wh = cut(s, y, 2, 0, 2, suffix="xy"), cut(s, y, 2, 2, 4, suffix="wh")
    centres = add(s, mul(s, xy, stride, suffix="xy:pixels"), offset, suffix="xy:centre")
    return centres, mul(s, mul(s, wh, wh, suffix="wh:square"), anchor, suffix="wh:pixels")


def _level_priors(
    s: Scope, index: int, level: Tensor, anchors: NDArray[np.float32], stride: int
) -> NDArray[np.float32] | Tensor:
    h, w = level.dims[2:]
    if isinstance(h, Dim) or isinstance(w, Dim):
        return _dynamic_priors(s, index, h, w, anchors, stride)
    row, column = np.mgrid[:h, :w]
    prior = np.empty((len(anchors), h, w, 5), np.float32)
    prior[..., 0], prior[..., 1] = (column - 0.5) * stride, (row - 0.5) * stride
    prior[..., 2] = 2 * stride
    prior[..., 3:] = 4 * anchors[:, None, None]
    return prior.reshape(-1, 5)


def _dynamic_priors(
    s: Scope, index: int, h: int | Dim, w: int | Dim, anchors: NDArray[np.float32], stride: int
) -> Tensor:
    shape = (len(anchors), h, w, 1)
    column = reshape(s, arange(s, w, suffix=f"columns{index}"), (1, 1, w, 1), suffix=f"columns{index}:row")
    row = reshape(s, arange(s, h, suffix=f"rows{index}:range"), (1, h, 1, 1), suffix=f"rows{index}:column")
    parts = [expand(s, (t - 0.5) * stride, shape, suffix=f"grid{index}") for t in (column, row)]
    fixed = np.concatenate([np.full((len(anchors), 1), 2 * stride), 4 * anchors], axis=1)
    constant = s.constant(fixed[:, None, None], "float32", suffix=f"anchors{index}")
    parts.append(expand(s, constant, (*shape[:3], 3), suffix=f"anchors{index}:grid"))
    prior = concat(s, parts, 3, suffix=f"priors{index}")
    return reshape(s, prior, (-1, 5), suffix=f"priors{index}:rows")


def _as_tensor(s: Scope, index: int, prior: NDArray[np.float32] | Tensor) -> Tensor:
    return s.constant(prior, "float32", suffix=f"priors{index}") if isinstance(prior, np.ndarray) else prior
